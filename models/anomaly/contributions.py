"""Contributions: which channels make a reading unusual, as shares that sum to 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Channels in a result; further ones contribute less.
MAX_CHANNELS = 8
#: Shares are rounded to so many digits: a result is read by people, and records stay small.
_DIGITS = 4


class Contributions:
    """What the channels of n readings add to their raw scores; readings may have other channels."""

    def __init__(self, count: int) -> None:
        self._rows: list[tuple[Floats, Sequence[str]] | None] = [None] * count

    def put(self, places: Ints, parts: Floats, channels: Sequence[str]) -> None:
        """Set the parts (n, channels) >= 0 of the readings at `places` (n,)."""
        for place, row in zip(places.tolist(), parts, strict=True):
            self._rows[place] = row, channels

    def shares(self, place: int) -> dict[str, float]:
        """Return the shares of a reading's channels, the largest first; {} if all are 0."""
        found = self._rows[place]
        return {} if found is None else shares_of(*found)


def shares_of(parts: Floats, channels: Sequence[str]) -> dict[str, float]:
    """Return the at most `MAX_CHANNELS` largest shares of parts (channels,) >= 0 in their sum.

    Channels with the same part are in the order of `channels`. A share below 0.00005 is left out.
    """
    if len(parts) == 1:  # as most readings of a plant: nothing to sort
        return {channels[0]: 1.0} if 0.0 < parts[0] < np.inf else {}
    total = float(parts.sum())
    if not 0.0 < total < np.inf:
        return {}
    order = np.argsort(-parts, kind="stable")[:MAX_CHANNELS].tolist()
    shares = (parts / total).tolist()
    rounded = [(channels[i], round(shares[i], _DIGITS)) for i in order]
    return {name: share for name, share in rounded if share > 0}
