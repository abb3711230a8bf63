"""Answers that come in any order leave in the order of their partition's records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from schemas import InputError
from streams.encoding import EncodedChunk
from streams.offsets import OffsetTracker
from streams.records import OutputRecord, RecordBatch
from streams.resequencing import Resequencer
from tests.fakes import record_batch


def batch(
    tracker: OffsetTracker, num_rows: int, first_offset: int = 0, partition: int = 0
) -> RecordBatch:
    return record_batch(
        [b"x"] * num_rows, tracker=tracker, first_offset=first_offset, partition=partition
    )


def answer(
    of: RecordBatch, rows: Sequence[int], num_records: int = 1, failed: Sequence[int] = ()
) -> EncodedChunk:
    """Rows answered by records whose values are their offsets; the failed have errors instead."""
    chunk = EncodedChunk(of)
    chunk.failed = [(row, InputError(str(row))) for row in rows if row in failed]
    chunk.rows = [row for row in rows if row not in failed]
    chunk.record_rows = [row for row in chunk.rows for _ in range(num_records)]
    for row in chunk.record_rows:
        chunk.records.append(OutputRecord(b"k", b"%d" % of.offsets[row], []))
    return chunk


def offsets(chunks: Sequence[EncodedChunk]) -> list[int]:
    return [int(value) for chunk in chunks for value in chunk.records.values]


def test_an_answer_waits_for_those_before_it() -> None:
    order = Resequencer()
    first = batch(OffsetTracker(), 4)
    order.expect(first, range(4))
    assert order.answered([answer(first, [1, 3])]) == []
    assert len(order) == 2
    assert offsets(order.answered([answer(first, [0])])) == [0, 1]
    (last,) = order.answered([answer(first, [2])])
    assert offsets([last]) == [2, 3]
    assert (last.rows, last.record_rows) == ([2, 3], [2, 3])
    assert len(order) == 0


def test_the_next_record_batch_waits_for_the_whole_first() -> None:
    order, tracker = Resequencer(), OffsetTracker()
    first, second = batch(tracker, 2), batch(tracker, 2, first_offset=2)
    order.expect(first, range(2))
    order.expect(second, range(2))
    assert order.answered([answer(second, [0, 1]), answer(first, [1])]) == []
    leaving = order.answered([answer(first, [0])])
    assert offsets(leaving) == [0, 1, 2, 3]
    assert [chunk.batch for chunk in leaving] == [first, second]


def test_partitions_do_not_wait_for_each_other() -> None:
    order, tracker = Resequencer(), OffsetTracker()
    slow, quick = batch(tracker, 2), batch(tracker, 2, partition=1)
    order.expect(slow, range(2))
    order.expect(quick, range(2))
    assert offsets(order.answered([answer(slow, [1]), answer(quick, [0, 1])])) == [0, 1]


def test_rows_without_records_with_several_and_with_errors() -> None:
    order = Resequencer()
    only = batch(OffsetTracker(), 5)
    order.expect(only, range(5))
    order.answered([answer(only, [4], num_records=3), answer(only, [1], num_records=0)])
    (leaving,) = order.answered([answer(only, [0, 2, 3], failed=[2])])
    assert leaving.rows == [0, 1, 3, 4]
    assert [row for row, _ in leaving.failed] == [2]
    assert offsets([leaving]) == [0, 3, 4, 4, 4]
    assert leaving.record_rows == [0, 3, 4, 4, 4]


def test_rows_that_are_not_expected_any_more_are_not_waited_for() -> None:
    order, tracker = Resequencer(), OffsetTracker()
    first, second = batch(tracker, 3), batch(tracker, 1, first_offset=3)
    order.expect(first, [0, 2])  # row 1 was a tombstone
    order.expect(second, [0])
    assert order.answered([answer(second, [0])]) == []
    order.give_up(first, [0, 2])
    assert offsets(order.answered([])) == [3]
    assert order.answered([]) == []


def test_what_was_held_of_a_partition_that_went_away_is_told() -> None:
    order, tracker = Resequencer(), OffsetTracker()
    gone, stays = batch(tracker, 3), batch(tracker, 2, partition=1)
    order.expect(gone, range(3))
    order.expect(stays, range(2))
    order.answered([answer(gone, [1, 2]), answer(stays, [1])])
    tracker.give_up([gone.tp])
    assert order.drop_stale() == [(gone, 2)]
    late = answer(gone, [0])
    assert order.answered([late]) == [late]  # for the delivery to hand back
    again = batch(tracker, 3)
    order.expect(again, range(3))
    assert offsets(order.answered([answer(again, [0, 1, 2])])) == [0, 1, 2]
    assert offsets(order.answered([answer(stays, [0])])) == [0, 1]
    assert len(order) == 0


def test_a_batch_of_a_lost_partition_is_never_expected() -> None:
    order, tracker = Resequencer(), OffsetTracker()
    gone = batch(tracker, 1)
    tracker.give_up([gone.tp])
    order.expect(gone, [0])
    late = answer(gone, [0])
    assert order.answered([late]) == [late]


@given(st.data())
def test_every_answer_leaves_once_and_in_order(data: st.DataObject) -> None:
    order, tracker = Resequencer(), OffsetTracker()
    sizes = data.draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), max_size=8))
    rows: list[tuple[RecordBatch, int]] = []
    ends: dict[int, int] = defaultdict(int)
    for partition, size in sizes:
        made = batch(tracker, size, first_offset=ends[partition], partition=partition)
        ends[partition] += size
        order.expect(made, range(size))
        rows += [(made, row) for row in range(size)]
    left: dict[int, list[int]] = defaultdict(list)
    given_up: dict[int, set[int]] = defaultdict(set)
    for made, row in data.draw(st.permutations(rows)):
        if data.draw(st.integers(0, 9)) == 0:
            order.give_up(made, [row])
            given_up[made.tp.partition].add(made.offsets[row])
            chunks = order.answered([])
        else:
            chunks = order.answered([answer(made, [row])])
        for chunk in chunks:
            left[chunk.batch.tp.partition] += offsets([chunk])
    for partition, end in ends.items():
        expected = [o for o in range(end) if o not in given_up[partition]]
        assert left[partition] == expected
    assert len(order) == 0
