import struct

import numpy as np
import pytest

from models.audio.decode import decode_audio
from models.audio.wav import wav_bytes
from schemas import AudioChunk, SchemaError, TooLargeError


def chunk(audio: bytes, **fields: object) -> AudioChunk:
    given = {"encoding": "s16le", "sample_rate_hz": 8000, **fields}
    return AudioChunk(audio=audio, **given)  # type: ignore[arg-type]


def test_channels_are_averaged_and_clipping_is_counted() -> None:
    sound = decode_audio(chunk(struct.pack("<4h", 32767, 0, -32768, -16384), num_channels=2), 1)
    assert sound.samples.tolist() == pytest.approx([0.5, -0.75], abs=1e-4)
    assert (sound.sample_rate_hz, sound.num_channels, sound.num_clipped) == (8000, 2, 2)


def test_floats_beyond_full_scale_are_cut() -> None:
    sound = decode_audio(chunk(struct.pack("<3f", 3.0, -0.25, -9), encoding="f32le"), 1)
    assert sound.samples.tolist() == [1.0, -0.25, -1.0]
    assert sound.num_clipped == 2


def test_a_wav_file_states_its_own_rate() -> None:
    samples = np.arange(100, dtype=np.int16)
    sound = decode_audio(chunk(wav_bytes(samples, 11_025), encoding="wav", sample_rate_hz=5), 1)
    assert sound.sample_rate_hz == 11_025
    assert np.array_equal(sound.samples, samples / np.float32(32768))


@pytest.mark.parametrize("encoding", ["s16le", "f32le", "wav"])
def test_too_much_is_refused_by_its_size(encoding: str) -> None:
    audio = wav_bytes(np.zeros(8001, np.int16), 8000) if encoding == "wav" else bytes(4 * 8001)
    with pytest.raises(TooLargeError, match=r"max_chunk_seconds is 1: send it in pieces"):
        decode_audio(chunk(audio, encoding=encoding), 1)


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(SchemaError, match="not a finite number"):
        decode_audio(chunk(struct.pack("<2f", 0, float("nan")), encoding="f32le"), 1)


def test_an_end_without_sound_has_no_samples() -> None:
    assert len(decode_audio(chunk(b"", is_end=True), 1).samples) == 0
