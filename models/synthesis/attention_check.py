"""Check how the attention went through a text: cut a runaway, and say what was not read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: A text may take this long: about twice as long as slow speech takes, seconds.
_BASE_SECONDS, _SECONDS_PER_SYMBOL = 1.0, 0.15
#: Speech behind the last symbol of a text that did not stop, seconds.
_TAIL_SECONDS = 0.3
#: A text counts as read to its end if the attention reached this share of it.
_END_SHARE = 0.8
#: The largest step back or forward, as a share of the text, but at least so many symbols.
_JUMP_SHARE, _JUMP_SYMBOLS = 0.2, 8


@dataclass(frozen=True)
class Reading:
    """What of a spoken text to keep, and what is wrong with it."""

    num_steps: int
    """Steps of the decoder to keep, at least 1."""
    faults: tuple[str, ...] = ()
    """For people; empty for a text that was read from its beginning to its end, in order."""


def step_limit(num_symbols: int, step_seconds: float) -> int:
    """Return how many steps of the decoder a text may take, at least 1."""
    seconds = _BASE_SECONDS + _SECONDS_PER_SYMBOL * num_symbols
    return max(1, round(seconds / step_seconds))


def check_reading(
    alignment: npt.NDArray[np.float32], has_stopped: bool, step_seconds: float
) -> Reading:
    """Judge one text by where its attention was.

    Args:
        alignment: (steps, S) weights over the symbols of the text, each row with sum 1.
        has_stopped: whether the stop token ended it, and not the limit.
        step_seconds: duration of a step.
    """
    at = alignment.argmax(axis=1)
    num_steps, symbols = alignment.shape
    faults = []
    if not has_stopped:
        num_steps = _end_of_runaway(at, symbols, step_seconds)
        faults.append(f"did not stop: cut at {num_steps * step_seconds:.1f} s")
    at = at[:num_steps]
    reached = int(at.max()) + 1
    if reached < _END_SHARE * symbols:
        faults.append(f"only {reached} of {symbols} characters were read")
    farthest, largest = np.maximum.accumulate(at), max(_JUMP_SYMBOLS, _JUMP_SHARE * symbols)
    if (farthest - at).max() > largest:
        faults.append("a part was read again")
    if np.diff(farthest, prepend=0).max() > largest:
        faults.append("a part was skipped")
    return Reading(num_steps, tuple(faults))


def _end_of_runaway(at: npt.NDArray[np.int64], symbols: int, step_seconds: float) -> int:
    """Return how many steps to keep: until the end of the text was reached, else all."""
    at_end = np.flatnonzero(at >= max(symbols - 2, min(symbols - 1, 1)))
    if not len(at_end):
        return len(at)
    return min(len(at), int(at_end[0]) + 1 + round(_TAIL_SECONDS / step_seconds))
