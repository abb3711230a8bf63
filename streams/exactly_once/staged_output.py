"""What a partition's records became, kept until a transaction takes it. Knows no Kafka.

A transaction holds the output of exactly the records below the offset that it commits. Outputs
come in as they get ready: dead letters of records that could not be read before the results of
those ahead of them, results of several model copies in turn. So nothing is sent as it comes; `cut`
finds the highest offset below which everything is here, and what belongs below it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.offsets import OffsetTracker, Span
from streams.protocols import Output, Rows


@dataclass(slots=True, eq=False)
class Piece:
    """All output of some rows: it is written in one transaction, or not at all."""

    rows: Rows
    outputs: Sequence[Output]
    num_bytes: int
    """Of the outputs, encoded."""
    delivered: asyncio.Future[None]
    """Done when the transaction is committed, or the partition is another worker's."""
    num_rows: int = field(init=False)
    first: int = field(init=False)
    """The lowest offset among the rows; -1 where there are none."""
    last: int = field(init=False)

    def __post_init__(self) -> None:
        own = [(span, rows) for span, rows in self.rows if len(rows)]
        self.num_rows = sum(len(rows) for _, rows in own)
        self.first = min((span.offsets[rows[0]] for span, rows in own), default=-1)
        self.last = max((span.offsets[rows[-1]] for span, rows in own), default=-1)

    def settle(self, error: Exception | None = None) -> None:
        """Let whoever waits for this piece go on."""
        if self.delivered.done():  # given up by the one who waited
            return
        if error is None:
            self.delivered.set_result(None)
        else:
            self.delivered.set_exception(error)


class TransactionContents(NamedTuple):
    """One transaction's worth."""

    offset: int | None
    """To commit; None before any record is finished."""
    pieces: list[Piece]
    """In the order in which they came."""


class StagedOutput:
    """The pieces of one input partition."""

    def __init__(self, partition: Hashable, tracker: OffsetTracker) -> None:
        self._partition = partition
        self._tracker = tracker
        self._pieces: list[Piece] = []
        self._committed: list[tuple[Span, Sequence[int]]] = []
        """Rows whose transaction is committed, until the tracker has them as finished."""
        self.num_rows = 0
        self.num_bytes = 0

    def put(self, piece: Piece) -> None:
        """Keep a piece for a transaction."""
        self._pieces.append(piece)
        self.num_rows += piece.num_rows
        self.num_bytes += piece.num_bytes

    def cut(self) -> TransactionContents:
        """Return the highest offset below which all is here, and what belongs below it.

        The offset never falls inside a piece: a piece that reaches beyond it waits.
        """
        self._committed = [
            (span, rows)
            for span, rows in self._committed
            if span.is_live and not span.is_finished(rows[0])
        ]
        here = [*self._committed, *(own for piece in self._pieces for own in piece.rows)]
        offset = self._tracker.reach(self._partition, here)
        if offset is None:
            return TransactionContents(None, [])
        while (lower := self._lowest_across(offset)) < offset:
            offset = lower
        return TransactionContents(offset, [piece for piece in self._pieces if piece.last < offset])

    def _lowest_across(self, offset: int) -> int:
        """Return the first offset of the pieces that lie on both sides of one, or that offset."""
        return min((p.first for p in self._pieces if p.first < offset <= p.last), default=offset)

    def delivered(self, pieces: Iterable[Piece]) -> None:
        """Take out pieces whose transaction is committed."""
        for piece in self._take_out(pieces):
            self._committed += [own for own in piece.rows if len(own[1])]
            piece.settle()

    def refuse(self, errors: dict[Piece, Exception]) -> None:
        """Take out pieces that a topic refuses; whoever sent them tries otherwise."""
        for piece in self._take_out(errors):
            piece.settle(errors[piece])

    def give_up(self) -> None:
        """Let every piece go: the partition is another worker's."""
        for piece in self._take_out(list(self._pieces)):
            piece.settle()

    def _take_out(self, pieces: Iterable[Piece]) -> list[Piece]:
        gone = set(pieces)
        taken = [piece for piece in self._pieces if piece in gone]
        self._pieces = [piece for piece in self._pieces if piece not in gone]
        self.num_rows -= sum(piece.num_rows for piece in taken)
        self.num_bytes -= sum(piece.num_bytes for piece in taken)
        return taken
