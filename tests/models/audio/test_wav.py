import io
import struct
import wave

import numpy as np
import pytest

from models.audio.wav import open_wav, wav_bytes, wav_header, wav_samples
from schemas import DecodeError

RAMP = np.arange(-32768, 32767, 257, dtype=np.int16)


def test_what_is_written_is_read_here_and_by_the_standard_library() -> None:
    content = wav_bytes(np.stack([RAMP, -RAMP // 2], axis=1), 22_050)
    file = open_wav(content)
    assert (file.sample_rate_hz, file.num_channels, file.num_samples) == (22_050, 2, len(RAMP))
    assert np.array_equal(wav_samples(file)[:, 0], RAMP / np.float32(32768))
    with wave.open(io.BytesIO(content)) as other:
        assert (other.getframerate(), other.getnframes()) == (22_050, len(RAMP))


def built(tag: int, bits: int, data: bytes, before: bytes = b"") -> bytes:
    form = struct.pack("<HHIIHH", tag, 1, 8000, 8000 * bits // 8, bits // 8, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + form + before
    return b"RIFF\0\0\0\0WAVE" + chunks + b"data" + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize(
    ("tag", "bits", "data"),
    [
        (1, 8, bytes([0, 128, 192])),
        (1, 16, struct.pack("<3h", -32768, 0, 16384)),
        (1, 24, b"\0\0\x80" + b"\0\0\0" + b"\0\0\x40"),
        (1, 32, struct.pack("<3i", -(2**31), 0, 2**30)),
        (3, 32, struct.pack("<3f", -1, 0, 0.5)),
        (3, 64, struct.pack("<3d", -1, 0, 0.5)),
    ],
)
def test_all_kinds_of_samples_are_scaled_to_one(tag: int, bits: int, data: bytes) -> None:
    samples = wav_samples(open_wav(built(tag, bits, data)))
    assert samples.dtype == np.float32
    assert samples[:, 0].tolist() == [-1.0, 0.0, 0.5]


def test_other_chunks_are_skipped_and_a_pipe_has_no_length() -> None:
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    content = built(1, 16, b"\0\1\0\2", odd)
    assert open_wav(content).num_samples == 2
    assert open_wav(content).num_missing == 0
    endless = content.replace(struct.pack("<I", 4) + b"\0\1", b"\xff\xff\xff\xff\0\1")
    assert (open_wav(endless).num_samples, open_wav(endless).num_missing) == (2, 0)


def test_a_file_that_was_cut_short_says_how_many_samples_are_missing() -> None:
    file = open_wav(wav_bytes(np.stack([RAMP, RAMP], axis=1), 8000)[:-42])
    assert (file.num_samples, file.num_missing) == (len(RAMP) - 11, 10)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
        (b"RIFF\0\0\0\0WAVE", "without a data chunk"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "without its format"),
        (built(6, 8, b"ab"), "format 6, 8 bits"),
    ],
)
def test_anything_else_is_refused_with_a_reason(content: bytes, what: str) -> None:
    with pytest.raises(DecodeError, match=what):
        open_wav(content)


def test_a_header_counts_its_bytes() -> None:
    assert open_wav(wav_header(4, 8000, 1) + b"abcd").num_samples == 2
