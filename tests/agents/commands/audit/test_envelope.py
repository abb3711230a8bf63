import msgspec
import pytest

from agents.commands.audit.envelope import origin_of
from schemas import AudioCodec, Origin, SpokenAudio

ORIGIN = Origin("in", 2, 7)
SPOKEN = SpokenAudio(audio=b"\0\1", sample_rate_hz=8000, origin=ORIGIN)


def test_the_origin_is_read_from_the_value_or_from_the_headers_of_sound() -> None:
    assert origin_of({}, msgspec.json.encode(SPOKEN)) == ORIGIN
    packed = {"content-type": b"application/msgpack"}
    assert origin_of(packed, msgspec.msgpack.encode(SPOKEN)) == ORIGIN
    assert origin_of(dict(AudioCodec().headers_of(SPOKEN)), SPOKEN.audio) == ORIGIN


def test_sound_without_its_header_is_no_result() -> None:
    with pytest.raises((msgspec.MsgspecError, ValueError)):
        origin_of({"audio_encoding": b"s16le"}, SPOKEN.audio)
