"""Due times of records: even, Poisson or in bursts, drawn before the first record is sent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

BURST_SECONDS = 0.25

Seconds = npt.NDArray[np.float64]


def even(rate: float, seconds: float, seed: int = 0) -> Seconds:
    """Return due times with equal gaps."""
    return np.arange(round(rate * seconds)) / rate


def poisson(rate: float, seconds: float, seed: int = 0) -> Seconds:
    """Return the due times of a Poisson process.

    Args:
        rate: records a second, > 0.
        seconds: of the whole.
        seed: of the draw.

    Returns:
        (n,) rising, in [0, seconds), from the start of the load; n is random, about rate * seconds.
    """
    rng = np.random.default_rng(seed)
    # Given their number, the events of a Poisson process are uniform over the time.
    return np.sort(rng.uniform(0.0, seconds, rng.poisson(rate * seconds)))


def bursts(rate: float, seconds: float, seed: int = 0) -> Seconds:
    """Return due times at the same mean rate, with a quarter of a second's records at once."""
    num_bursts = round(seconds / BURST_SECONDS)
    starts = np.arange(num_bursts) * BURST_SECONDS
    return np.repeat(starts, round(rate * BURST_SECONDS))


ARRIVALS: dict[str, Callable[[float, float, int], Seconds]] = {
    "even": even,
    "poisson": poisson,
    "bursts": bursts,
}
