"""Move the sources of models that keep one object for each source, a row each, in their snapshots.

Nothing is shared between sources, so a source moves with all that was learned of it.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS
from models.keyed_state import merge_last_seen, most_recent, require_distinct

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Counted(Protocol):
    """A source that knows how much it has learned."""

    @property
    def total(self) -> int:
        """Readings learned so far."""
        ...


S = TypeVar("S", bound=Counted)


class SourceRows(NamedTuple, Generic[S]):
    """The sources of a snapshot."""

    keys: Sequence[tuple[str, ...]]
    sources: Sequence[S]
    states: Floats
    """(sources, NUM_FIELDS) the calibration."""
    last_seen: Ints
    """(sources,)"""
    step: int

    def chosen(self, rows: Ints) -> SourceRows[S]:
        """Return some of the sources."""
        numbers = rows.tolist()
        return SourceRows(
            [self.keys[row] for row in numbers],
            [self.sources[row] for row in numbers],
            self.states[rows],
            self.last_seen[rows],
            self.step,
        )


class MovableSources(Generic[S]):
    """The methods of `KeyedState` for a model whose snapshots are `SourceRows`."""

    name: str
    max_keys: int

    @abstractmethod
    def _rows_of(self, state: bytes) -> SourceRows[S]:
        """Return the sources of a snapshot, which is not restored.

        Raises:
            ModelError: `restore` would refuse it.
        """

    @abstractmethod
    def _packed(self, rows: SourceRows[S]) -> bytes:
        """Return the snapshot of a model with these sources."""

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many readings of each source a snapshot's model has learned."""
        rows = self._rows_of(state)
        return {key[0]: each.total for key, each in zip(rows.keys, rows.sources, strict=True)}

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its sources."""
        rows = self._rows_of(state)
        kept = [row for row, key in enumerate(rows.keys) if key[0] in source_ids]
        return self._packed(rows.chosen(np.array(kept, np.int64)))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond `max_keys`, the latest seen."""
        parts = [self._rows_of(state) for state in states]
        keys = [key for part in parts for key in part.keys]
        require_distinct(self.name, keys)
        last_seen, step = merge_last_seen([(part.last_seen, part.step) for part in parts])
        merged = SourceRows(
            keys,
            [source for part in parts for source in part.sources],
            np.concatenate([np.zeros((0, NUM_FIELDS)), *(part.states for part in parts)]),
            last_seen,
            step,
        )
        return self._packed(merged.chosen(most_recent(last_seen, self.max_keys)))
