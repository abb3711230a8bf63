"""Rows of a span finish in any order, and its head is the first unfinished row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.span import Span, ranges_of


@given(st.sets(st.integers(0, 40), min_size=1))
def test_ranges_cover_exactly_the_rows(rows: set[int]) -> None:
    ranges = ranges_of(sorted(rows))
    assert [row for start, stop in ranges for row in range(start, stop)] == sorted(rows)


@given(st.permutations(range(12)), st.integers(0, 11))
def test_the_head_is_the_first_unfinished_row(order: list[int], num_finished: int) -> None:
    span = Span("p", range(12), 0)
    for row in order[:num_finished]:
        span.finish(row, row + 1)
    unfinished = sorted(order[num_finished:])
    assert (span.head, span.num_open) == (unfinished[0], len(unfinished))
    rest = ranges_of(unfinished)
    for count in range(len(rest)):
        assert span.head_after(rest[:count]) == rest[count][0]
    assert span.head_after(rest) == 12
    assert span.head == unfinished[0]
