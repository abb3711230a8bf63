"""Sentences as the teacher speaks them: log-mel frames to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.base import ModelError
from models.synthesis.mel import AudioFormat, log_mel

Samples = npt.NDArray[np.float32]
#: Samples below this share of the loudest are silence at the ends ...
_SILENCE = 0.02
#: ... of which this much stays, seconds: before and behind the speech.
_LEAD_SECONDS, _TAIL_SECONDS = 0.03, 0.1


def load_teacher() -> Any:
    """Return hibari-tts with its voice "heart" (Apache-2.0).

    Raises:
        ModelError: the extra `demo` is not installed.
    """
    try:
        from hibari import Hibari
    except ImportError as error:
        raise ModelError(
            "the package hibari-tts is not installed: pip install 'penstock[demo]'"
        ) from error
    return Hibari()


def teacher_samples(teacher: Any, text: str, sample_rate: int) -> Samples:
    """Return a text as the teacher speaks it: (n,) in [-1, 1], at a sample rate."""
    from scipy.signal import resample_poly

    spoken = teacher(text, seed=0)
    divisor = int(np.gcd(sample_rate, teacher.sample_rate))
    up, down = sample_rate // divisor, teacher.sample_rate // divisor
    return np.asarray(resample_poly(spoken, up, down), np.float32)


def trimmed(samples: Samples, sample_rate: int) -> Samples:
    """Return the sound without the silence at its ends, but for a moment."""
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * np.abs(samples).max(initial=0))
    if not len(loud):
        return samples
    first = max(0, loud[0] - round(_LEAD_SECONDS * sample_rate))
    return samples[first : loud[-1] + round(_TAIL_SECONDS * sample_rate)]


def fill_frames(
    array: npt.NDArray[Any],
    texts: Sequence[str],
    audio: AudioFormat,
    progress: Callable[[str, int, int], None],
) -> None:
    """Speak each text and write its frames.

    Args:
        array: (n, 1 + T, num_mels) to fill: the first row's first number is how many frames follow.
        texts: n texts.
        audio: the format of the frames.
        progress: called after each text.

    Raises:
        ModelError: a text takes more than T frames.
    """
    import torch

    teacher, room = load_teacher(), array.shape[1] - 1
    for index, text in enumerate(texts):
        samples = trimmed(teacher_samples(teacher, text, audio.sample_rate), audio.sample_rate)
        frames = log_mel(torch.from_numpy(samples)[None], audio)[0].T.numpy()
        if len(frames) > room:
            seconds = len(samples) / audio.sample_rate
            raise ModelError(
                f"text {index + 1} takes {seconds:.1f} s to speak: raise max_seconds: {text[:80]!r}"
            )
        array[index, 0, 0] = len(frames)
        array[index, 1 : 1 + len(frames)] = frames
        progress("texts", index + 1, len(texts))
