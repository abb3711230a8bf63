"""Blocks of floating-point numbers, in memory that grows without copying what is there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Memory is reserved in pieces of about this size. The operating system provides it only where
#: something is written, so reserving takes no time.
_PIECE_BYTES = 64 * 1024 * 1024


class BlockPool:
    """Blocks of `block_size` numbers each, by their ids 0, 1, 2, ...; they are never given back.

    Reallocating one large array would copy all of it (or, at best, all of its page table) in the
    middle of some call. Here a new piece leaves all others where they are.
    """

    def __init__(self, block_size: int) -> None:
        self.block_size = block_size
        # A power of two, so that shifting an id gives its piece.
        self._shift = max(_PIECE_BYTES // (8 * block_size), 1).bit_length() - 1
        self._pieces: list[Floats] = []
        self._used = 0

    def allocate(self, count: int) -> Ints:
        """Return the ids of `count` new blocks; what they contain is undefined."""
        ids = np.arange(self._used, self._used + count)
        self._used += count
        while self._used > len(self._pieces) << self._shift:
            self._pieces.append(np.empty((1 << self._shift, self.block_size)))
        return ids

    def read(self, ids: Ints) -> Floats:
        """Return copies (n, block_size) of blocks."""
        if len(self._pieces) == 1:
            return self._pieces[0][ids]
        blocks = np.empty((len(ids), self.block_size))
        for piece, chosen, rows in self._by_piece(ids):
            blocks[chosen] = piece[rows]
        return blocks

    def write(self, ids: Ints, blocks: Floats) -> None:
        """Replace the blocks `ids` (n,) by `blocks` (n, block_size)."""
        for piece, chosen, rows in self._by_piece(ids):
            piece[rows] = blocks[chosen]

    def put(self, ids: Ints, positions: Ints, values: Floats) -> None:
        """Write `values` (n,) to `positions` (n,) in the blocks `ids` (n,)."""
        for piece, chosen, rows in self._by_piece(ids):
            piece[rows, positions[chosen]] = values[chosen]

    def get(self, ids: Ints, positions: Ints) -> Floats:
        """Return the values (n,) at `positions` (n,) in the blocks `ids` (n,)."""
        values = np.empty(len(ids))
        for piece, chosen, rows in self._by_piece(ids):
            values[chosen] = piece[rows, positions[chosen]]
        return values

    def _by_piece(self, ids: Ints) -> Iterator[tuple[Floats, Ints, Ints]]:
        """Yield (piece, which of the ids are in it, their rows in it)."""
        numbers = ids >> self._shift
        for number in np.flatnonzero(np.bincount(numbers)).tolist():
            chosen = np.flatnonzero(numbers == number)
            yield self._pieces[number], chosen, ids[chosen] & ((1 << self._shift) - 1)
