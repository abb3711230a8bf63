"""Sound files that FFmpeg writes, for tests."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

_CONTAINERS = {"flac": "flac", "opus": "ogg"}
_ENCODERS = {"flac": "flac", "opus": "libopus"}


def write_sound(samples: npt.NDArray[np.int16], rate: int, encoding: str) -> bytes:
    """Return a file of one channel, `flac` or `opus`."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format=_CONTAINERS[encoding]) as container:
        stream = container.add_stream(_ENCODERS[encoding], rate=rate)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, 960)
        for each in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(each))
        container.mux(stream.encode(None))
    return file.getvalue()
