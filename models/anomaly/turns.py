"""Take the readings of a step in turns: no key twice in a turn, each key in its order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def turns(rows: Ints) -> list[Ints]:
    """Return positions in `rows` (n,), n >= 1, turn by turn; a row has one position in a turn."""
    order = np.argsort(rows, kind="stable")
    ordered = rows[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(starts, append=len(rows))
    if len(starts) == len(rows):
        return [np.arange(len(rows))]
    turn_of = np.empty(len(rows), np.int64)
    turn_of[order] = np.arange(len(rows)) - np.repeat(starts, counts)
    return np.split(np.argsort(turn_of, kind="stable"), np.cumsum(np.bincount(turn_of))[:-1])
