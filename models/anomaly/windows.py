"""The last values of many series: ring buffers of blocks, with robust statistics.

Memory: 8 bytes for each value that is held, in whole blocks, at most 8 bytes * window a series.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.anomaly.blocks import BlockPool
from models.anomaly.slots import grown

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: 1 / Phi^-1(3/4): scales the MAD of a normal series to its standard deviation.
MAD_TO_SIGMA = 1.4826
#: The quantile of absolute deviations that measures the tail, and its value for a normal series:
#: Phi^-1((1 + 0.995) / 2) standard deviations.
TAIL_SHARE, TAIL_SIGMAS = 0.995, 2.807
#: Values are clipped to this, so that their differences are finite.
LARGEST = 1e300

#: Values in a block: a short window is one block, a very long one has 64.
_MIN_BLOCK, _MAX_BLOCKS = 64, 64
#: Numbers that are sorted at a time: they fit into a core's cache.
_MAX_SORTED = 64 * 1024
#: The pool's first block is never used, so that new rows, which are zeros, have no blocks.
_NO_BLOCK = 0


class Windows:
    """The last `size` values of each row in a ring buffer, in blocks that rows get as they fill."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._pool = BlockPool(min(size, max(_MIN_BLOCK, -(-size // _MAX_BLOCKS))))
        self._pool.allocate(1)
        self._blocks = np.zeros((0, -(-size // self._pool.block_size)), np.int32)
        """(rows, blocks of a full window) ids of blocks, or `_NO_BLOCK`."""
        self.totals: Ints = np.zeros(0, np.int64)
        """(rows,) number of values appended so far."""

    def grow_to(self, rows: int) -> None:
        """Add empty rows up to that number."""
        self._blocks = grown(self._blocks, rows)
        self.totals = grown(self.totals, rows)

    def clear(self, rows: Ints) -> None:
        """Empty those rows; they keep their blocks."""
        self.totals[rows] = 0

    def append(self, rows: Ints, values: Floats) -> Ints:
        """Append `values` (n,) to `rows` (n,), n >= 1, in order; a row may occur several times.

        Returns:
            The distinct rows, ascending.
        """
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values[order]
        starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]]))
        distinct, counts = rows[starts], np.diff(starts, append=len(rows))
        ranks = np.arange(len(rows)) - np.repeat(starts, counts)
        numbers = self.totals[rows] + ranks
        self.totals[distinct] += counts
        if counts.max() > self.size:
            # Only the last `size` values of a row are written: no place is written twice.
            kept = ranks >= np.repeat(counts, counts) - self.size
            rows, values, numbers = rows[kept], values[kept], numbers[kept]
        column, position = self._places(numbers)
        values = np.clip(values, -LARGEST, LARGEST)
        self._pool.put(self._blocks_at(rows, column), position, values)
        return distinct

    def _blocks_at(self, rows: Ints, columns: Ints) -> Ints:
        """Return the ids (n,) of the blocks of rows (n,), allocating those that are missing."""
        ids = self._blocks[rows, columns]
        is_missing = ids == _NO_BLOCK
        if is_missing.any():
            width = self._blocks.shape[1]
            missing = np.unique(rows[is_missing] * width + columns[is_missing])
            self._blocks.reshape(-1)[missing] = self._pool.allocate(len(missing))
            ids = self._blocks[rows, columns]
        return ids.astype(np.int64)

    def held(self, rows: Ints) -> Ints:
        """Return the number of values (n,) that are in the windows of rows."""
        return np.minimum(self.totals[rows], self.size)

    def values_of(self, rows: Ints) -> Floats:
        """Return the values of rows one after another: row by row in the order of places."""
        at, is_value = self._used_blocks(self.held(rows))
        blocks = self._pool.read(self._blocks[rows][at].astype(np.int64))
        return blocks.reshape(-1) if is_value.all() else blocks[is_value]

    def fill(self, rows: Ints, totals: Ints, values: Floats) -> None:
        """Fill empty rows from `values_of` and `totals` (n,) of other windows of this size."""
        self.totals[rows] = totals
        at, is_value = self._used_blocks(self.held(rows))
        blocks = np.empty(is_value.shape)
        blocks[is_value] = values
        row_numbers, columns = np.nonzero(at)
        self._pool.write(self._blocks_at(rows[row_numbers], columns), blocks)

    def latest(self, rows: Ints, counts: Ints) -> Floats:
        """Return the last `counts` (n,) values of rows (n,), row by row, oldest first."""
        at, ends = np.repeat(rows, counts), np.cumsum(counts)
        ages = np.repeat(ends, counts) - np.arange(len(at))
        column, position = self._places(self.totals[at] - ages)
        return self._pool.get(self._blocks[at, column].astype(np.int64), position)

    def replay(self, rows: Ints, totals: Ints, counts: Ints, values: Floats) -> None:
        """Append the `latest` values of other rows to distinct rows that were equal to those.

        Args:
            rows: (n,)
            totals: (n,) afterwards.
            counts: (n,) values of each row, as many as fit into a window at most.
            values: (sum of counts,)
        """
        self.totals[rows] = totals - counts
        if len(values):
            self.append(np.repeat(rows, counts), values)

    def _places(self, numbers: Ints) -> tuple[Ints, Ints]:
        """Return columns and positions (n,) of a row's values by their numbers from 0 on."""
        return np.divmod(numbers % self.size, self._pool.block_size)

    def _used_blocks(self, counts: Ints) -> tuple[Bools, Bools]:
        """Return where rows with that many values (n,) have blocks, and which parts of them count.

        Returns:
            (n, blocks of a full window), and for each of those blocks in turn (block_size,).
        """
        size = self._pool.block_size
        filled = counts[:, None] - size * np.arange(self._blocks.shape[1])
        is_used = filled > 0
        return is_used, np.arange(size) < filled[is_used][:, None]

    def medians_and_spreads(self, rows: Ints) -> tuple[Floats, Floats]:
        """Return the median and spread (n,) of each row; every row must have a value.

        The spread is the geometric mean of two estimates of the standard deviation: one of the
        core (1.4826 times the median absolute deviation, or the mean absolute deviation if more
        than half of the values are equal) and one of the tail (from the 99.5 % quantile of the
        absolute deviations, never below the core). They are equal for a normal series; for one
        with heavy tails the core alone would make anomalies of its usual bursts.
        """
        medians, spreads = np.empty(len(rows)), np.empty(len(rows))
        counts = self.held(rows)
        for chosen, num_blocks in self._portions(counts):
            values = self._padded(rows[chosen], counts[chosen], num_blocks)
            medians[chosen], spreads[chosen] = _medians_and_spreads(values, counts[chosen])
        return medians, spreads

    def _portions(self, counts: Ints) -> Iterator[tuple[Ints, int]]:
        """Yield positions of rows that are sorted together, and the number of their blocks.

        It is a power of two, so a row is padded to less than twice its length. It depends on the
        row alone: so does the rounding of its sums.
        """
        needed = -(-counts // self._pool.block_size)
        classes = np.ceil(np.log2(needed)).astype(np.int64)
        for number in np.unique(classes).tolist():
            num_blocks = min(1 << number, self._blocks.shape[1])
            members = np.flatnonzero(classes == number)
            portion = max(_MAX_SORTED // (num_blocks * self._pool.block_size), 1)
            for start in range(0, len(members), portion):
                yield members[start : start + portion], num_blocks

    def _padded(self, rows: Ints, counts: Ints, num_blocks: int) -> Floats:
        """Return the values (n, width) of rows, with +inf behind the last."""
        ids = self._blocks[rows, :num_blocks].astype(np.int64)
        values = self._pool.read(ids.reshape(-1)).reshape(len(rows), -1)
        if counts.min() < values.shape[1]:
            values[np.arange(values.shape[1]) >= counts[:, None]] = np.inf
        return values


def _medians_and_spreads(values: Floats, counts: Ints) -> tuple[Floats, Floats]:
    """Return the statistics (n,) of values (n, width), of which the first `counts` are finite."""
    values.sort(axis=1)
    medians = _medians(values, counts)
    deviations = np.abs(values - medians[:, None])
    deviations.sort(axis=1)
    is_full = counts.min() == values.shape[1]
    finite = deviations if is_full else np.where(np.isfinite(deviations), deviations, 0.0)
    core = np.maximum(MAD_TO_SIGMA * _medians(deviations, counts), finite.sum(axis=1) / counts)
    last = np.minimum((TAIL_SHARE * counts).astype(np.int64), counts - 1)
    tail = np.maximum(core, deviations[np.arange(len(values)), last] / TAIL_SIGMAS)
    return medians, np.sqrt(core) * np.sqrt(tail)


def _medians(ordered: Floats, counts: Ints) -> Floats:
    """Return the median of the first `counts` values of each ascending row."""
    at = np.arange(len(ordered))
    # Halved before the addition, which could overflow otherwise.
    middle: Floats = ordered[at, (counts - 1) // 2] / 2 + ordered[at, counts // 2] / 2
    return middle
