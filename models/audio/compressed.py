"""FLAC and Ogg Opus, decoded by FFmpeg's libraries through PyAV."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from schemas import DecodeError, InputError, TooLargeError

if TYPE_CHECKING:
    from av.container import InputContainer

#: FFmpeg's name of each container: no other demuxer ever sees bytes from outside.
_CONTAINERS = {"flac": "flac", "opus": "ogg"}
_CODECS = {"flac": "flac", "opus": "opus"}


def decode_compressed(
    content: bytes, encoding: str, max_seconds: float
) -> tuple[npt.NDArray[np.float32], int]:
    """Decode a file; stops as soon as there is too much of it.

    Args:
        content: a FLAC or Ogg Opus file.
        encoding: `flac` or `opus`.
        max_seconds: of sound.

    Returns:
        (n, channels) float32 in [-1, 1], and the samples a second.

    Raises:
        DecodeError: it is damaged, or holds something else.
        TooLargeError: it is longer.
        InputError: the package av is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(
            f"{encoding} can't be decoded: the package av is not installed: "
            "pip install 'penstock[speech]'"
        ) from error
    try:
        with av.open(io.BytesIO(content), format=_CONTAINERS[encoding]) as container:
            return _decode(container, encoding, max_seconds)
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise DecodeError(f"the {encoding} file can't be decoded: {error}") from error


def _decode(
    container: InputContainer, encoding: str, max_seconds: float
) -> tuple[npt.NDArray[np.float32], int]:
    from av.audio.resampler import AudioResampler

    streams = container.streams.audio
    if not streams or streams[0].codec_context.name not in (_CODECS[encoding], "libopus"):
        raise DecodeError(f"the file holds no {encoding} sound")
    rate = int(streams[0].codec_context.sample_rate)
    to_float = AudioResampler(format="flt")  # only the kind of samples changes
    parts: list[npt.NDArray[np.float32]] = []
    num_samples = 0
    for frame in container.decode(streams[0]):
        for each in to_float.resample(frame):
            part: Any = each.to_ndarray().reshape(-1, each.layout.nb_channels)
            parts.append(part)
            num_samples += len(part)
        if num_samples > max_seconds * rate:
            raise TooLargeError(f"the sound is longer than {max_seconds:g} seconds")
    if not parts:
        raise DecodeError(f"the {encoding} file holds no sample")
    if len({part.shape[1] for part in parts}) > 1:
        raise DecodeError(f"the {encoding} file changes its number of channels")
    return np.concatenate(parts), rate
