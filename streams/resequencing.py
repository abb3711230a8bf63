"""Results of a partition leave in the order of its records, although buckets finish out of order.

Where events are sorted into buckets by size, two records of one partition can be in two
micro-batches, and the later record in the earlier batch. Its answer is held here until every
earlier record of its partition has one.

Nothing waits *for* this class, so it can't be part of a deadlock. An arrow means "may wait for":

    `submit` -> `_form` -> a slot -> the model -> nothing of ours
    `submit` -> `_form` -> room in the queue of answers -> `_deliver` -> the model, the broker

`_deliver` hands over whatever is answered and gets back what may leave, at once and perhaps
nothing. What is missing in front is waiting in a bucket, where it is due within
`max_wait_seconds` of its arrival whether or not more arrives, or it is with the model; so it is
answered without anything held here having to leave. Its bucket's turn comes, since of equally
urgent buckets the one with the oldest event goes first, and a less urgent one is passed over ten
times at most. And what is held counts as under way, so that a partition whose first record takes
its time is paused at `intake.max_records` or `intake.max_bytes`: that bounds what is held, and a
pause holds back nothing that is needed, as everything needed has arrived.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from schemas import InputError
from streams.encoding import EncodedChunk
from streams.records import OutputRecords, RecordBatch, TopicPartition


class _Answer:
    """One row's share of an encoded chunk: `records[start:stop]`, or an error."""

    __slots__ = ("error", "records", "start", "stop")

    def __init__(
        self, records: OutputRecords, start: int, stop: int, error: InputError | None
    ) -> None:
        self.records, self.start, self.stop = records, start, stop
        self.error = error


class _Expected:
    """The rows of one record batch that are to be answered, and the answers that have come."""

    __slots__ = ("answers", "batch", "next", "rows")

    def __init__(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        self.batch = batch
        self.rows = rows
        self.next = 0
        """The first of `rows` that has not left."""
        self.answers: dict[int, _Answer | None] = {}
        """By row; None for one that leaves in another way."""

    def num_held(self) -> int:
        return sum(answer is not None for answer in self.answers.values())

    @property
    def is_done(self) -> bool:
        return self.next == len(self.rows)

    def ready(self) -> EncodedChunk | None:
        """Take out what can leave, in order: up to the first row without an answer."""
        start = self.next
        while self.next < len(self.rows) and self.rows[self.next] in self.answers:
            self.next += 1
        rows = self.rows[start : self.next]
        answered = [(row, answer) for row in rows if (answer := self.answers.pop(row)) is not None]
        return _joined(self.batch, answered) if answered else None


class Resequencer:
    """Holds answered rows until all earlier rows of their partition are answered.

    Used from one thread.
    """

    def __init__(self) -> None:
        self._partitions: dict[TopicPartition, deque[_Expected]] = {}
        self._batches: dict[int, _Expected] = {}
        """By the `id` of the record batch, which lives as long as it stands here."""
        self._changed: set[TopicPartition] = set()

    def __len__(self) -> int:
        return sum(expected.num_held() for expected in self._batches.values())

    def expect(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        """Note the rows, ascending, of a record batch that the model is to answer.

        Called in the order of the partition's record batches, before anything is answered.
        """
        if rows and batch.span.is_live:
            expected = self._batches[id(batch)] = _Expected(batch, rows)
            self._partitions.setdefault(batch.tp, deque()).append(expected)

    def give_up(self, batch: RecordBatch, rows: Sequence[int]) -> None:
        """Expect rows no longer: what waits for them can leave with the next call of `answered`."""
        if expected := self._batches.get(id(batch)):
            expected.answers.update(dict.fromkeys(rows))
            self._changed.add(batch.tp)

    def answered(self, chunks: Sequence[EncodedChunk]) -> list[EncodedChunk]:
        """Take the answers of a micro-batch; return what can leave, in order per partition."""
        leaving: list[EncodedChunk] = []
        for chunk in chunks:
            if expected := self._batches.get(id(chunk.batch)):
                expected.answers.update(_by_row(chunk))
                self._changed.add(chunk.batch.tp)
            else:  # its partition was given up: nothing of it is in any order
                leaving.append(chunk)
        for tp in self._changed:
            leaving += self._leaving(tp)
        self._changed.clear()
        return leaving

    def _leaving(self, tp: TopicPartition) -> Iterator[EncodedChunk]:
        queue = self._partitions.get(tp, deque())
        while queue:
            if (ready := queue[0].ready()) is not None:
                yield ready
            if not queue[0].is_done:
                return
            del self._batches[id(queue.popleft().batch)]
        self._partitions.pop(tp, None)

    def drop_stale(self) -> list[tuple[RecordBatch, int]]:
        """Forget partitions that were given up; return whose answers were held, and how many."""
        stale = [e for e in self._batches.values() if not e.batch.span.is_live]
        for expected in stale:
            del self._batches[id(expected.batch)]
        for tp in {expected.batch.tp for expected in stale}:
            self._partitions[tp] = deque(
                expected for expected in self._partitions[tp] if expected.batch.span.is_live
            )
        return [(expected.batch, expected.num_held()) for expected in stale]


def _by_row(chunk: EncodedChunk) -> dict[int, _Answer]:
    """Return each row's share of a chunk; an answered row may have no record, or several."""
    shares: dict[int, _Answer] = {}
    start = 0
    for row in chunk.rows:
        stop = start
        while stop < len(chunk.record_rows) and chunk.record_rows[stop] == row:
            stop += 1
        shares[row] = _Answer(chunk.records, start, stop, None)
        start = stop
    for row, error in chunk.failed:
        shares[row] = _Answer(chunk.records, 0, 0, error)
    return shares


def _joined(batch: RecordBatch, answered: Sequence[tuple[int, _Answer]]) -> EncodedChunk:
    joined = EncodedChunk(batch)
    records = joined.records
    rows: list[int] = []
    record_rows: list[int] = []
    for row, answer in answered:
        if answer.error is not None:
            joined.failed.append((row, answer.error))
            continue
        rows.append(row)
        part = slice(answer.start, answer.stop)
        records.keys += answer.records.keys[part]
        records.values += answer.records.values[part]
        records.headers += answer.records.headers[part]
        record_rows += [row] * (answer.stop - answer.start)
    joined.rows, joined.record_rows = rows, record_rows
    return joined
