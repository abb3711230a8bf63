import msgspec
import pytest

from schemas import (
    AudioChunk,
    DecodeError,
    EmptyValueError,
    InputError,
    Origin,
    SchemaError,
    SpokenAudio,
    TextMessage,
    UnknownVersionError,
    make_codec,
)
from schemas.audio_codec import RESULT_HEADER, AudioCodec, content_type_of_audio, read_result

WAV = b"RIFF\0\0\0\0WAVEfmt "
BARE = {"audio_encoding": b"s16le", "sample_rate_hz": b"16000"}


def test_a_chunk_round_trips_by_value_and_headers() -> None:
    codec = AudioCodec()
    chunk = AudioChunk(
        audio=b"\0\1\2\3", encoding="s16le", sample_rate_hz=8000, num_channels=2, sequence=9,
        is_end=True,
    )  # fmt: skip
    assert codec.encode(chunk) == chunk.audio
    assert codec.decode(codec.encode(chunk), dict(codec.headers_of(chunk))) == chunk


def test_a_result_is_a_chunk_and_can_be_read_back() -> None:
    codec = AudioCodec()
    result = SpokenAudio(
        audio=b"\0\1\2\3", sample_rate_hz=22_050, text="stop", duration_ms=1, source_id="p",
        origin=Origin("in", 0, 7), model="m", notes=["cut"],
    )  # fmt: skip
    headers = dict(codec.headers_of(result))
    chunk = codec.decode(codec.encode(result), headers)
    assert chunk == AudioChunk(
        audio=b"\0\1\2\3", encoding="s16le", sample_rate_hz=22_050, sequence=0, is_end=True
    )
    assert read_result(result.audio, headers) == result
    assert b"AAEC" not in headers[RESULT_HEADER]  # the sound is not in it, as base64 either


@pytest.mark.parametrize(
    ("value", "encoding"),
    [(WAV, "wav"), (b"fLaC\0", "flac"), (b"OggS" + b"\0" * 24 + b"OpusHead", "opus")],
)
def test_files_need_no_headers(value: bytes, encoding: str) -> None:
    (chunk,) = AudioCodec().decode_all([value])
    assert isinstance(chunk, AudioChunk)
    assert (chunk.encoding, chunk.sequence, chunk.is_end) == (encoding, -1, False)


@pytest.mark.parametrize(
    ("value", "headers", "error", "what"),
    [
        (b"", {}, EmptyValueError, "no bytes: expected WAV"),
        (b"\0\1", {}, DecodeError, "starts with 00 01"),
        (b"ID3\0", {}, DecodeError, "is MP3.*convert it first"),
        (b"OggS" + b"\0" * 40, {}, DecodeError, "Ogg file without Opus"),
        (b"\0\0\0\1ftyp", {}, DecodeError, "MP4"),
        (b"\0\1", {"audio_encoding": b"s16be"}, SchemaError, "'s16be': expected s16le"),
        (b"\0\1", {"audio_encoding": b"s16le"}, SchemaError, "sample_rate_hz is 0"),
        (b"\0\1\2", BARE, SchemaError, "3 bytes: no whole number of s16le"),
        (b"\0\1", {**BARE, "num_channels": b"0"}, SchemaError, "num_channels is 0: expected 1"),
        (b"\0\1", {**BARE, "sample_rate_hz": b"9999999"}, SchemaError, "expected 0 to 384000"),
        (b"\0\1", {**BARE, "sequence": b"x"}, SchemaError, "header sequence is b'x'"),
        (b"\0\1", {**BARE, "is_end": b"yes"}, SchemaError, "is_end is b'yes': expected 0 or 1"),
        (b"\0\1", {**BARE, "schema_version": b"3"}, UnknownVersionError, "schema_version 3"),
    ],
)
def test_what_is_no_chunk_is_refused_with_a_reason(
    value: bytes, headers: dict[str, bytes], error: type[InputError], what: str
) -> None:
    with pytest.raises(error, match=what) as raised:
        AudioCodec().decode(value, headers)
    assert type(raised.value) is error


def test_an_end_needs_no_sound() -> None:
    chunk = AudioCodec().decode(b"", {"is_end": b"1", "sequence": b"4"})
    assert chunk == AudioChunk(audio=b"", encoding="s16le", sequence=4, is_end=True)


def test_other_types_have_no_sound() -> None:
    with pytest.raises(ValueError, match="audio codec reads AudioChunk, not TextMessage"):
        make_codec("audio", TextMessage)
    with pytest.raises(TypeError, match="TextMessage has none"):
        AudioCodec().encode(TextMessage.example())


def test_the_media_type_is_that_of_the_sound() -> None:
    chunk = AudioChunk.example()
    assert content_type_of_audio(chunk) == "audio/pcm"
    assert content_type_of_audio(msgspec.structs.replace(chunk, encoding="flac")) == "audio/flac"


def test_a_spoken_result_keeps_the_id_of_the_event_that_it_answers() -> None:
    codec = AudioCodec()
    spoken = SpokenAudio(event_id="e-1", audio=b"\0\0", sample_rate_hz=16_000)
    headers = dict(codec.headers_of(spoken))
    assert codec.decode(spoken.audio, headers).event_id == "e-1"
    assert codec.decode(spoken.audio, headers | {"penstock_result": b"{"}).event_id == ""
    del headers["penstock_result"]
    assert codec.decode(spoken.audio, headers).event_id == ""
