"""Stage a partition's output until a transaction takes it. Knows no Kafka.

A transaction holds the output of exactly the records below the offset that it commits. Output
arrives out of order: the dead letter of a record that does not decode may come before the results
of earlier records, and several model copies answer in turn. So output is staged first; `cut` finds
the highest offset below which all output is here, and the output below it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.offsets import OffsetTracker
from streams.sink import Output, Rows
from streams.span import Span


@dataclass(slots=True, eq=False)
class Piece:
    """The output of some rows, written in one transaction."""

    rows: Rows
    outputs: Sequence[Output]
    num_bytes: int
    """The size of the encoded outputs."""
    delivered: asyncio.Future[None]
    """Done when the transaction is committed, or the partition is released."""
    num_rows: int = field(init=False)
    first: int = field(init=False)
    """The lowest offset of the rows; -1 if there are none."""
    last: int = field(init=False)
    """The highest offset of the rows; -1 if there are none."""

    def __post_init__(self) -> None:
        spans = [(span, rows) for span, rows in self.rows if len(rows)]
        self.num_rows = sum(len(rows) for _, rows in spans)
        self.first = min((span.offsets[rows[0]] for span, rows in spans), default=-1)
        self.last = max((span.offsets[rows[-1]] for span, rows in spans), default=-1)

    def settle(self, error: Exception | None = None) -> None:
        """Complete `delivered`."""
        if self.delivered.done():  # cancelled by its waiter
            return
        if error is None:
            self.delivered.set_result(None)
        else:
            self.delivered.set_exception(error)


class TransactionContents(NamedTuple):
    """The contents of one transaction."""

    offset: int | None
    """The offset to commit; None before any record is finished."""
    pieces: list[Piece]
    """In the order in which they were staged."""


class StagedOutput:
    """The staged pieces of one input partition."""

    def __init__(self, partition: Hashable, tracker: OffsetTracker) -> None:
        self._partition = partition
        self._tracker = tracker
        self._pieces: list[Piece] = []
        self._committed: list[tuple[Span, Sequence[int]]] = []
        """Rows whose transaction is committed, until the tracker counts them as finished."""
        self.num_rows = 0
        self.num_bytes = 0

    def put(self, piece: Piece) -> None:
        """Stage a piece for a transaction."""
        self._pieces.append(piece)
        self.num_rows += piece.num_rows
        self.num_bytes += piece.num_bytes

    def cut(self) -> TransactionContents:
        """Return the highest offset below which all output is staged, and that output.

        The offset is never inside a piece: a piece that reaches beyond it waits.
        """
        self._committed = [
            (span, rows)
            for span, rows in self._committed
            if span.is_live and not span.is_finished(rows[0])
        ]
        rows = [*self._committed, *(rows for piece in self._pieces for rows in piece.rows)]
        offset = self._tracker.reach(self._partition, rows)
        if offset is None:
            return TransactionContents(None, [])
        while (lower := self._lowest_across(offset)) < offset:
            offset = lower
        return TransactionContents(offset, [piece for piece in self._pieces if piece.last < offset])

    def _lowest_across(self, offset: int) -> int:
        """Return the lowest first offset of the pieces that an offset splits, or that offset."""
        return min((p.first for p in self._pieces if p.first < offset <= p.last), default=offset)

    def delivered(self, pieces: Iterable[Piece]) -> None:
        """Remove pieces whose transaction is committed."""
        for piece in self._take_out(pieces):
            self._committed += [(span, rows) for span, rows in piece.rows if len(rows)]
            piece.settle()

    def reject(self, errors: dict[Piece, Exception]) -> None:
        """Remove pieces that a topic rejects; their sender gets the error."""
        for piece in self._take_out(errors):
            piece.settle(errors[piece])

    def release(self) -> None:
        """Remove every piece: the partition moves to another worker."""
        for piece in self._take_out(list(self._pieces)):
            piece.settle()

    def _take_out(self, pieces: Iterable[Piece]) -> list[Piece]:
        gone = set(pieces)
        taken = [piece for piece in self._pieces if piece in gone]
        self._pieces = [piece for piece in self._pieces if piece not in gone]
        self.num_rows -= sum(piece.num_rows for piece in taken)
        self.num_bytes -= sum(piece.num_bytes for piece in taken)
        return taken
