"""A transaction holds all output of the records below its offset, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.exactly_once.staged_output import Piece, StagedOutput
from streams.offsets import OffsetTracker
from streams.span import Span


def piece(*rows: tuple[Span, Sequence[int]]) -> Piece:
    return Piece(rows, [], 10, asyncio.get_running_loop().create_future())


async def test_a_cut_ends_before_the_first_record_without_output() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(100, 110), 0)
    staged = StagedOutput("p", tracker)
    assert staged.cut() == (None, [])
    late, early = piece((span, [6, 7])), piece((span, [0, 1, 2]))
    staged.put(late)
    assert staged.cut() == (None, [])
    staged.put(early)
    assert staged.cut() == (103, [early])


async def test_filtered_records_need_no_output() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(100, 104), 0)
    staged = StagedOutput("p", tracker)
    tracker.finish(span, [0, 3])
    assert staged.cut() == (101, [])
    middle = piece((span, [1, 2]))
    staged.put(middle)
    assert staged.cut() == (104, [middle])


async def test_no_piece_is_split() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(10), 0)
    staged = StagedOutput("p", tracker)
    whole, across = piece((span, [0, 1])), piece((span, [2, 3, 5, 6]))  # 4: a dead letter to come
    staged.put(whole)
    staged.put(across)
    assert staged.cut() == (2, [whole])
    missing = piece((span, [4]))
    staged.put(missing)
    assert staged.cut() == (7, [whole, across, missing])


async def test_a_piece_over_several_record_batches() -> None:
    tracker = OffsetTracker()
    first, second = tracker.start("p", [0, 2], 0), tracker.start("p", [5, 6], 0)
    staged = StagedOutput("p", tracker)
    both = piece((first, [1]), (second, [0]))
    staged.put(both)
    tracker.finish(first, [0])
    assert staged.cut() == (6, [both])


async def test_after_a_commit_the_next_cut_continues_there() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(6), 0)
    staged = StagedOutput("p", tracker)
    first, second = piece((span, [0, 1, 2])), piece((span, [3, 4]))
    staged.put(first)
    cut = staged.cut()
    staged.put(second)  # while the transaction of the first is committed
    staged.delivered(cut.pieces)
    assert first.delivered.done()
    assert staged.cut() == (5, [second])  # though nobody has marked the first as finished yet
    tracker.finish(span, [0, 1, 2])
    assert staged.cut() == (5, [second])
    assert (staged.num_rows, staged.num_bytes) == (2, 10)


async def test_rejected_pieces_are_removed_and_their_rows_awaited() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(3), 0)
    staged = StagedOutput("p", tracker)
    bad, good = piece((span, [0])), piece((span, [1, 2]))
    staged.put(bad)
    staged.put(good)
    staged.reject({bad: ValueError("too large")})
    assert isinstance(bad.delivered.exception(), ValueError)
    assert staged.cut() == (None, [])
    instead = piece((span, [0]))
    staged.put(instead)
    assert staged.cut() == (3, [good, instead])


async def test_handed_back_records_are_never_committed() -> None:
    tracker = OffsetTracker()
    taken, untaken = tracker.start("p", range(3), 0), tracker.start("p", range(3, 6), 0)
    taken.taken = True
    staged = StagedOutput("p", tracker)
    tracker.give_up_untaken()
    again = tracker.start("p", range(6, 9), 0)
    mine, beyond = piece((taken, [0, 1, 2])), piece((again, [0, 1, 2]))
    staged.put(mine)
    staged.put(beyond)
    assert staged.cut() == (3, [mine])
    assert not untaken.is_live


async def test_release_completes_every_piece() -> None:
    tracker = OffsetTracker()
    span = tracker.start("p", range(3), 0)
    staged = StagedOutput("p", tracker)
    waiting = piece((span, [0]))
    staged.put(waiting)
    tracker.give_up(["p"])
    staged.release()
    assert waiting.delivered.done()
    assert staged.cut() == (None, [])


@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=12),
    data=st.data(),
)
def test_cuts_are_right_for_any_order_of_output(lengths: list[int], data: st.DataObject) -> None:
    asyncio.run(_cut_in_any_order(lengths, data))


async def _cut_in_any_order(lengths: list[int], data: st.DataObject) -> None:
    total = sum(lengths)
    tracker = OffsetTracker()
    spans = [
        tracker.start("p", range(start, min(start + 4, total)), 0) for start in range(0, total, 4)
    ]
    staged = StagedOutput("p", tracker)
    owner = data.draw(st.permutations([i for i, n in enumerate(lengths) for _ in range(n)]))
    pieces = {}
    for number in range(len(lengths)):
        offsets = [at for at in range(total) if owner[at] == number]
        slices = [(s, [at - s.offsets[0] for at in offsets if at in s.offsets]) for s in spans]
        pieces[number] = (piece(*[own for own in slices if own[1]]), offsets)
    committed = 0
    written: set[int] = set()
    for number in data.draw(st.permutations(list(pieces))):
        own, offsets = pieces[number]
        if data.draw(st.booleans()):
            staged.put(own)
        else:  # filtered
            for span, rows in own.rows:
                tracker.finish(span, rows)
            written |= set(offsets)
        if not data.draw(st.booleans()):
            continue
        cut = staged.cut()
        taken = {at for n, (p, ats) in pieces.items() if p in cut.pieces for at in ats}
        if cut.offset is not None:
            assert cut.offset >= committed
            assert set(range(cut.offset)) <= written | taken
            assert max(taken, default=-1) < cut.offset
            committed, written = cut.offset, written | taken
        staged.delivered(cut.pieces)
        if data.draw(st.booleans()):
            for p in cut.pieces:
                for span, rows in p.rows:
                    tracker.finish(span, rows)
    assert staged.cut().offset == total
