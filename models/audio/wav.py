"""WAV files: read with all common kinds of samples, written with 16 bits."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from schemas import DecodeError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
#: From here on a length says that it was not known: programs write 2^31 or 2^32, less a header.
_UNKNOWN_SIZE = 2**31 - 2**16
#: (format tag, bits) -> how numpy reads a sample.
_DTYPES = {
    (_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 24): "u1", (_PCM, 32): "<i4",
    (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8",
}  # fmt: skip


class WavFile(NamedTuple):
    """The parts of a WAV file; no sample is decoded."""

    tag: int
    bits: int
    num_channels: int
    sample_rate_hz: int
    data: bytes
    num_missing_bytes: int = 0
    """By which the data are shorter than the file says."""

    @property
    def num_samples(self) -> int:
        """Samples of each channel."""
        return len(self.data) // self._width

    @property
    def num_missing(self) -> int:
        """Samples of each channel that the file says it has, but has not."""
        return self.num_missing_bytes // self._width

    @property
    def _width(self) -> int:
        return self.bits // 8 * self.num_channels


def open_wav(content: bytes) -> WavFile:
    """Find the parts of a WAV file.

    A length that is larger than the file means "to the end". Programs that write into pipes give
    the largest ones: nothing is missing then.

    Raises:
        DecodeError: not a WAV file, or of samples that are not read here.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DecodeError("not a WAV file: it does not start with RIFF and WAVE")
    at, form = 12, b""
    while at + 8 <= len(content):
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        body = content[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = body
        if name == b"data":
            missing = size - len(body) if size < _UNKNOWN_SIZE else 0
            return _with_format(form, body)._replace(num_missing_bytes=missing)
        at += 8 + size + size % 2
    raise DecodeError("a WAV file without a data chunk: it is cut short")


def _with_format(form: bytes, data: bytes) -> WavFile:
    if len(form) < 16:
        raise DecodeError("a WAV file without its format before its data")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", form[:16])
    if tag == _EXTENSIBLE and len(form) >= 26:
        tag = int.from_bytes(form[24:26], "little")
    if (tag, bits) not in _DTYPES or not channels or not rate:
        raise DecodeError(
            f"a WAV file of format {tag}, {bits} bits, {channels} channels, {rate} Hz: expected "
            "PCM of 8, 16, 24 or 32 bits, or floats of 32 or 64"
        )
    return WavFile(tag, bits, channels, rate, data)


def wav_samples(file: WavFile) -> npt.NDArray[np.float32]:
    """Return the samples (n, channels) float32; whole numbers are scaled to [-1, 1]."""
    whole = file.num_samples * (file.bits // 8 * file.num_channels)
    raw = np.frombuffer(file.data[:whole], _DTYPES[file.tag, file.bits])
    samples: npt.NDArray[np.float32]
    if file.tag == _FLOAT:
        samples = raw.astype(np.float32)
    elif file.bits == 24:
        triples = raw.reshape(-1, 3).astype(np.int32)
        wide = triples[:, 0] << 8 | triples[:, 1] << 16 | triples[:, 2] << 24
        samples = (wide / 2**31).astype(np.float32)
    elif file.bits == 8:
        samples = ((raw.astype(np.float32) - 128) / 128).astype(np.float32)
    else:
        samples = (raw / 2.0 ** (file.bits - 1)).astype(np.float32)
    shaped: npt.NDArray[np.float32] = samples.reshape(-1, file.num_channels)
    return shaped


def wav_bytes(samples: npt.NDArray[np.int16], sample_rate_hz: int) -> bytes:
    """Return a WAV file.

    Args:
        samples: (n,) or (n, channels) int16.
        sample_rate_hz: of each channel.
    """
    data = np.ascontiguousarray(samples, "<i2").tobytes()
    return (
        wav_header(len(data), sample_rate_hz, 1 if samples.ndim == 1 else samples.shape[1]) + data
    )


def wav_header(num_bytes: int, sample_rate_hz: int, num_channels: int) -> bytes:
    """Return the 44 bytes before so many bytes of 16-bit samples."""
    form = struct.pack(
        "<HHIIHH", _PCM, num_channels, sample_rate_hz, sample_rate_hz * num_channels * 2,
        num_channels * 2, 16,
    )  # fmt: skip
    size = 36 + num_bytes
    return b"RIFF%bWAVEfmt %b%bdata%b" % (
        size.to_bytes(4, "little"), len(form).to_bytes(4, "little"), form,
        num_bytes.to_bytes(4, "little"),
    )  # fmt: skip
