"""The watermark never passes an unfinished record, in any order of finishing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.offsets import OffsetTracker

TP = ("t", 0)


def test_the_watermark_is_the_lowest_unfinished_record() -> None:
    tracker = OffsetTracker()
    first = tracker.start(TP, range(10, 15), 50)
    second = tracker.start(TP, range(15, 20), 50)
    assert tracker.watermark(TP) is None
    tracker.finish(second, range(5))
    assert tracker.watermark(TP) is None
    tracker.finish(first, [0, 1, 4])
    assert tracker.watermark(TP) == 12
    tracker.finish(first, [2, 3])
    assert tracker.watermark(TP) == 20
    assert tracker.under_way(TP) == (0, 0)


def test_offsets_may_have_gaps() -> None:
    tracker = OffsetTracker()
    span = tracker.start(TP, [3, 7, 100], 3)
    tracker.finish(span, [0])
    assert tracker.watermark(TP) == 7
    tracker.finish(span, [1, 2])
    assert tracker.watermark(TP) == 101


def test_only_watermarks_that_moved_are_committable() -> None:
    tracker = OffsetTracker()
    span = tracker.start(TP, range(4), 4)
    assert tracker.committable() == {}
    tracker.finish(span, [0, 1])
    assert tracker.committable() == {TP: 2}
    tracker.committed({TP: 2})
    assert tracker.committable() == {}


def test_finishing_rows_of_a_given_up_partition_has_no_effect() -> None:
    tracker = OffsetTracker()
    old = tracker.start(TP, range(4), 4)
    tracker.give_up([TP])
    again = tracker.start(TP, range(4), 4)
    assert not tracker.finish(old, range(4))
    assert tracker.watermark(TP) is None
    assert tracker.finish(again, range(2))
    assert tracker.watermark(TP) == 2


def test_spans_that_no_agent_has_begun_on_can_be_dropped() -> None:
    tracker = OffsetTracker()
    taken = tracker.start(TP, range(4), 40)
    taken.taken = True
    tracker.start(TP, range(4, 8), 40)
    tracker.give_up_untaken()
    assert tracker.under_way(TP) == (4, 40)
    assert tracker.num_taken() == 4
    tracker.finish(taken, range(4))
    assert tracker.watermark(TP) == 4


def test_the_watermark_never_passes_dropped_spans() -> None:
    tracker = OffsetTracker()
    tracker.start(TP, range(4), 40)  # no agent has begun on it
    taken = tracker.start(TP, range(4, 8), 40)
    taken.taken = True
    tracker.give_up_untaken()
    tracker.finish(taken, range(4))
    assert tracker.watermark(TP) == 0


def test_all_spans_can_be_dropped_and_the_watermark_stays() -> None:
    tracker = OffsetTracker()
    spans = [tracker.start(TP, range(start, start + 4), 40) for start in (0, 4, 8)]
    for span in spans[:2]:
        span.taken = True
    tracker.finish(spans[0], [0, 1])
    tracker.finish(spans[1], range(4))
    tracker.give_up_unfinished()
    assert tracker.under_way(TP) == (0, 0)
    assert tracker.num_taken() == 0
    assert not tracker.finish(spans[0], [2, 3])
    assert tracker.committable() == {TP: 2}


def test_offsets_that_go_back_are_rejected() -> None:
    tracker = OffsetTracker()
    tracker.start(TP, range(4), 4)
    with pytest.raises(ValueError, match="is already tracked"):
        tracker.start(TP, range(3, 6), 4)


def test_a_single_offset_finishes_once() -> None:
    tracker = OffsetTracker()
    tracker.start(TP, [5, 6, 9], 3)
    assert tracker.finish_offset(TP, 6)
    assert not tracker.finish_offset(TP, 6)
    assert not tracker.finish_offset(TP, 7)
    assert tracker.finish_offset(TP, 5)
    assert not tracker.finish_offset(TP, 5)
    assert tracker.watermark(TP) == 9
    assert tracker.first_unfinished(TP) == 9


@given(st.data())
def test_the_watermark_is_the_first_unfinished_offset(data: st.DataObject) -> None:
    """Compared with the definition, for random spans, gaps and orders of finishing."""
    tracker = OffsetTracker()
    gaps = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=30))
    offsets = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(offsets)), max_size=4)) | {len(offsets)})
    spans = []
    start = 0
    for cut in cuts:
        if cut > start:
            spans.append(tracker.start(TP, offsets[start:cut], cut - start))
            start = cut
    open_rows = [(span, row) for span in spans for row in range(len(span.offsets))]
    finished: set[int] = set()
    for span, row in data.draw(st.permutations(open_rows)):
        tracker.finish(span, [row])
        finished.add(span.offsets[row])
        unfinished = [o for o in offsets if o not in finished]
        below = [o for o in offsets if not unfinished or o < unfinished[0]]
        if below:
            watermark = tracker.watermark(TP)
            assert watermark is not None
            assert below[-1] < watermark <= (unfinished[0] if unfinished else offsets[-1] + 1)
        else:
            assert tracker.watermark(TP) is None
        assert tracker.under_way(TP)[0] == len(unfinished)


def test_reach_is_the_watermark_if_more_rows_were_finished() -> None:
    tracker = OffsetTracker()
    assert tracker.reach("p", []) is None
    first, second = tracker.start("p", [10, 11, 12], 0), tracker.start("p", [15, 16], 0)
    assert tracker.reach("p", []) is None
    assert tracker.reach("p", [(first, [1])]) is None
    assert tracker.reach("p", [(first, [0]), (first, [1])]) == 12
    assert tracker.reach("p", [(second, [0]), (first, [0, 1, 2])]) == 16
    tracker.finish(first, [1])
    assert tracker.reach("p", [(first, [0])]) == 12
    tracker.finish(first, [0])
    assert tracker.reach("p", []) == tracker.watermark("p") == 12
    assert tracker.reach("p", [(first, [2]), (second, [0, 1])]) == 17
    assert tracker.watermark("p") == 12


def test_records_of_a_catch_up_never_move_the_watermark_back() -> None:
    tracker = OffsetTracker()
    tracker.begin("p", 100, 90)
    assert (tracker.committed_offset("p"), tracker.next_offset("p")) == (100, 90)
    caught_up = tracker.start("p", range(90, 100), 0)
    fresh = tracker.start("p", range(100, 110), 0)
    tracker.finish(caught_up, range(5))
    assert tracker.committable() == {}
    tracker.finish(fresh, range(10))
    tracker.finish(caught_up, range(5, 9))
    assert tracker.watermark("p") == 100
    assert tracker.committable() == {}
    tracker.finish(caught_up, [9])
    assert tracker.committable() == {"p": 110}
    assert tracker.next_offset("p") == 110
    tracker.give_up(["p"])
    assert (tracker.catch_up_end("p"), tracker.committed_offset("p")) == (0, None)


def test_dropped_records_of_a_catch_up_do_not_change_the_watermark() -> None:
    tracker = OffsetTracker()
    tracker.begin("p", 100, 90)
    tracker.start("p", range(90, 95), 0).taken = True
    tracker.start("p", range(95, 100), 0)
    tracker.give_up_untaken()
    assert tracker.committable() == {}


def test_the_watermark_passes_offsets_without_records_once_all_before_them_is_finished() -> None:
    tracker = OffsetTracker()
    span = tracker.start(TP, [3, 4], 2)
    tracker.read_to(TP, 8)
    assert tracker.watermark(TP) is None
    tracker.finish(span, [0])
    assert tracker.watermark(TP) == 4
    tracker.finish(span, [1])
    assert tracker.watermark(TP) == 8
    assert tracker.first_unfinished(TP) is None
    assert tracker.next_offset(TP) == 8


def test_offsets_without_records_are_committable_even_if_no_record_was_read() -> None:
    """A restart behind the last record: only markers follow, or nothing was committed yet."""
    tracker = OffsetTracker()
    tracker.read_to(TP, 8)
    assert tracker.committable() == {TP: 8}
    tracker.committed({TP: 8})
    tracker.read_to(TP, 8)
    tracker.read_to(TP, 5)
    assert tracker.committable() == {}
    assert tracker.watermark(TP) == 8


def test_a_transaction_reaches_past_offsets_without_records_only_with_all_before_them() -> None:
    tracker = OffsetTracker()
    span = tracker.start(TP, [3, 4], 2)
    tracker.read_to(TP, 8)
    assert tracker.reach(TP, [(span, [0])]) == 4
    assert tracker.reach(TP, [(span, [0, 1])]) == 8


def test_records_handed_back_hold_the_watermark_below_offsets_without_records() -> None:
    tracker = OffsetTracker()
    begun = tracker.start(TP, [3], 1)
    begun.taken = True
    tracker.start(TP, [4, 5], 2)
    tracker.read_to(TP, 9)
    tracker.give_up_untaken()
    tracker.finish(begun, [0])
    assert tracker.watermark(TP) == 4
    assert tracker.reach(TP, []) == 4


def test_a_catch_up_moves_the_watermark_only_above_what_was_committed() -> None:
    tracker = OffsetTracker()
    tracker.begin(TP, 100, 50)
    tracker.read_to(TP, 70)
    assert tracker.committable() == {}
    assert tracker.reach(TP, []) == 100
    span = tracker.start(TP, [80, 81], 2)
    assert tracker.reach(TP, [(span, [0])]) == 100
    tracker.finish(span, [0, 1])
    tracker.read_to(TP, 103)
    assert tracker.committable() == {TP: 103}
