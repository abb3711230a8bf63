"""The rows of events' features: which features there are, and each event's row made once.

A model needs the same rows twice, to answer and to learn. Making them again gives the same numbers,
so what is remembered here changes no answer: it saves time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import is_
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
E = TypeVar("E")

#: Numbers remembered at most; beyond, all are forgotten.
_MOST_NUMBERS = 2_000_000


def with_new_names(known: list[str], mappings: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the known names, and behind them, sorted, those that only the mappings have."""
    present, brought = frozenset(known), set[str]()
    for mapping in mappings:
        if not present.issuperset(mapping):
            brought.update(mapping)
    return [*known, *sorted(brought - present)]


class RowMemo(Generic[E]):
    """The rows of the events that were answered since the last learning step, in their order."""

    def __init__(self) -> None:
        self._events: list[E] = []
        self._rows: list[Floats] = []
        self._names: list[str] = []

    def remember(self, events: Sequence[E], names: Sequence[str], rows: Floats) -> None:
        """Remember the rows (n, len(names)) of n events."""
        held = sum(part.size for part in self._rows)
        if self._names != names or held + rows.size > _MOST_NUMBERS:
            self._events, self._rows, self._names = [], [], list(names)
        self._events += events
        self._rows.append(rows)

    def take(
        self,
        events: Sequence[E],
        names: Sequence[str],
        make: Callable[[Sequence[E], Sequence[str]], Floats],
    ) -> Floats:
        """Return the rows of the events of a step, made if they are not remembered; forget all."""
        held, rows, own = self._events, self._rows, self._names
        self._events, self._rows = [], []
        # By identity: an equal event may have been answered earlier.
        if rows and own == names and len(held) == len(events) and all(map(is_, held, events)):
            return np.concatenate(rows)
        return make(events, names)
