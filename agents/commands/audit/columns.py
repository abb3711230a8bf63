"""Results of many records in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]


@dataclass(slots=True)
class Answers:
    """Results for records of one input partition, as columns of n rows, in reading order."""

    origins: Ints
    """Offsets of the records that the results answer."""
    indexes: Ints
    """The number of each result among the results of its record, from 0."""
    hashes: Ints
    """Hashes of the values."""
    places: Ints
    keys: Ints
    """Hashes of the keys."""

    def select(self, mask: Bools) -> Answers:
        """Return the rows where the mask is true."""
        columns = (self.origins, self.indexes, self.hashes, self.places, self.keys)
        return Answers(*(column[mask] for column in columns))


class Columns:
    """Columns of int64 to which chunks of rows are added."""

    def __init__(self, width: int) -> None:
        self._chunks: list[list[Ints]] = [[] for _ in range(width)]

    def add(self, *columns: Sequence[int] | Ints) -> None:
        """Add rows."""
        for chunks, column in zip(self._chunks, columns, strict=True):
            chunks.append(np.asarray(column, dtype=np.int64))

    def take(self) -> list[Ints]:
        """Return each column as one array, and empty the columns."""
        columns = []
        for chunks in self._chunks:
            columns.append(np.concatenate(chunks) if chunks else np.empty(0, np.int64))
            chunks.clear()
        return columns
