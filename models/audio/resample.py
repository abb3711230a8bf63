"""Change the sample rate of a stream, piece by piece, as if it were whole.

Each output is a weighted sum of the inputs around it, by a sinc with a Kaiser window (Smith,
"Digital Audio Resampling", ccrma.stanford.edu/~jos/resample). Which inputs and weights depends on
the output's number alone, so the pieces do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import ceil, gcd

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: Zero crossings of the sinc on each side, and the window's shape: about 80 dB.
_CROSSINGS, _BETA = 16, 8.0
#: Share of the lower rate's band that passes.
_PASS = 0.92
#: Rates that are converted; beyond them the filters would be large.
LOWEST_HZ, HIGHEST_HZ = 4_000, 192_000


def _nothing() -> Floats:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class Resampling:
    """Where the conversion of one stream stands."""

    rate_hz: int
    """Of the input."""
    tail: Floats = field(default_factory=_nothing)
    """The last inputs, which later outputs need."""
    first: int = 0
    """The number of the tail's first input in the stream; negative before its start."""
    next_output: int = 0

    @staticmethod
    def start(rate_hz: int, to_hz: int) -> Resampling:
        """Return the state before any input: silence came before it."""
        if rate_hz == to_hz:
            return Resampling(rate_hz)
        reach = _filters(rate_hz, to_hz).shape[1] // 2
        return Resampling(rate_hz, np.zeros(reach, np.float32), -reach)


def resample(state: Resampling, samples: Floats, to_hz: int) -> tuple[Floats, Resampling]:
    """Return the outputs that the next inputs make possible, and the state after them.

    Args:
        state: not changed.
        samples: (n,) the next inputs.
        to_hz: the rate of the outputs, the same in every call.
    """
    if state.rate_hz == to_hz:
        return samples, state
    filters = _filters(state.rate_hz, to_hz)
    up, down = _ratio(state.rate_hz, to_hz)
    reach = filters.shape[1] // 2
    inputs = np.concatenate([state.tail, samples])
    # Output n lies at input n * down / up and needs `reach` inputs before it and after it.
    last_center = state.first + len(inputs) - 1 - reach
    stop = max(
        state.next_output, (last_center * up + up - 1) // down + 1 if last_center >= 0 else 0
    )
    outputs = np.arange(state.next_output, stop)
    centers, phases = np.divmod(outputs * down, up)
    starts = centers - reach + 1 - state.first
    windows = inputs[starts[:, None] + np.arange(2 * reach)]
    made: Floats = np.einsum("nk,nk->n", windows, filters[phases]).astype(np.float32)
    keep_from = max(0, min(len(inputs), stop * down // up - reach + 1 - state.first))
    after = replace(
        state,
        tail=inputs[keep_from:].copy(),
        first=state.first + keep_from,
        next_output=stop,
    )
    return made, after


def _ratio(from_hz: int, to_hz: int) -> tuple[int, int]:
    common = gcd(from_hz, to_hz)
    return to_hz // common, from_hz // common


@lru_cache(maxsize=4)
def _filters(from_hz: int, to_hz: int) -> Floats:
    """Return the weights (phases, 2 * reach) of inputs center - reach + 1 ... center + reach."""
    up, down = _ratio(from_hz, to_hz)
    cutoff = _PASS * min(1.0, up / down)
    reach = ceil(_CROSSINGS / cutoff)
    phases = np.arange(up)[:, None] / up
    distances = np.arange(-reach + 1, reach + 1)[None, :] - phases
    inside = np.clip(1 - (distances / reach) ** 2, 0, 1)
    weights = cutoff * np.sinc(cutoff * distances) * np.i0(_BETA * np.sqrt(inside)) / np.i0(_BETA)
    weights /= weights.sum(axis=1, keepdims=True)  # a constant stays what it is
    narrow: Floats = weights.astype(np.float32)
    return narrow
