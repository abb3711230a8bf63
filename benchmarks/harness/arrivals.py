"""When events arrive: counts a tick, drawn beforehand, so that only the sending is left."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: A tick is what arrives together; finer than any age that is reported (Kafka's clock has 1 ms).
TICK_SECONDS = 0.001
BURST_SECONDS = 0.25

Counts = npt.NDArray[np.int64]


def poisson(rate: float, seconds: float, seed: int = 4) -> Counts:
    """Return the arrivals in each tick of a Poisson process.

    Args:
        rate: events a second, > 0.
        seconds: how long.
        seed: of the draw.

    Returns:
        (seconds / TICK_SECONDS,) int64.
    """
    num_ticks = round(seconds / TICK_SECONDS)
    return np.random.default_rng(seed).poisson(rate * TICK_SECONDS, num_ticks).astype(np.int64)


def bursts(rate: float, seconds: float) -> Counts:
    """Return the same mean rate with everything of a quarter of a second arriving at once."""
    num_ticks, every = round(seconds / TICK_SECONDS), round(BURST_SECONDS / TICK_SECONDS)
    counts = np.zeros(num_ticks, np.int64)
    counts[::every] = round(rate * BURST_SECONDS)
    return counts
