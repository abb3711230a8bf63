import numpy as np
import pytest

from models.audio.compressed import decode_compressed
from schemas import DecodeError, TooLargeError
from schemas.audio_formats import file_encoding
from tests.models.audio.sound_files import write_sound

pytest.importorskip("av", reason="the extra `speech` is not installed: no FLAC, no Opus")
TONE = (8000 * np.sin(np.arange(24_000) * 0.06)).astype(np.int16)


def test_flac_gives_the_same_samples() -> None:
    content = write_sound(TONE, 16_000, "flac")
    assert file_encoding(content) == "flac"
    samples, rate = decode_compressed(content, "flac", 10)
    assert rate == 16_000
    assert np.array_equal(samples[:, 0], TONE / np.float32(32768))


def test_opus_gives_about_the_same_samples_at_48_khz() -> None:
    content = write_sound(TONE, 48_000, "opus")
    assert file_encoding(content) == "opus"
    samples, rate = decode_compressed(content, "opus", 10)
    assert rate == 48_000
    assert abs(len(samples) - len(TONE)) < 1000
    middle = samples[4000:20_000, 0]
    assert np.sqrt(np.mean(np.square(middle))) == pytest.approx(8000 / 32768 / 2**0.5, rel=0.1)


@pytest.mark.parametrize("encoding", ["flac", "opus"])
def test_decoding_ends_where_there_is_too_much(encoding: str) -> None:
    content = write_sound(np.tile(TONE, 8), 48_000, encoding)
    with pytest.raises(TooLargeError, match="longer than 1 seconds"):
        decode_compressed(content, encoding, 1)


@pytest.mark.parametrize("encoding", ["flac", "opus"])
def test_damaged_files_are_refused(encoding: str) -> None:
    content = write_sound(TONE, 48_000, encoding)
    for wrong in (b"", content[:20], b"x" * 500, content[:4] + b"\xff" * 400):
        with pytest.raises(DecodeError, match=f"{encoding} (file|sound)"):
            decode_compressed(wrong, encoding, 10)


def test_a_container_holds_what_was_announced() -> None:
    with pytest.raises(DecodeError):
        decode_compressed(write_sound(TONE, 48_000, "flac"), "opus", 10)
