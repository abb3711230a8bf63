"""What the topic lost before it was answered is found, and no usual gap is taken for a loss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from agents.commands.audit import AgentReport, Problem
from agents.commands.audit.ledger import TOMBSTONE, Ledger
from agents.commands.audit.removed import Reach, judge_removed, usual_gap

LOG_START, END = 100, 120
REACH = Reach(log_start=LOG_START, committed=END, in_work=0, silence_allowed=False)


def ledger_of(
    answered: Iterable[int],
    held: Iterable[int] = range(LOG_START, END),
    *,
    tombstones: Iterable[int] = (),
    is_compacted: bool = False,
    end: int = END,
) -> Ledger:
    """A partition whose records below 100 are gone; dead letters stand for outcomes."""
    ledger = Ledger(AgentReport("a", "in", "out", "in.dlq"), 0, is_compacted=is_compacted)
    held, gone = list(held), set(tombstones)
    ledger.add(held, [0] * len(held), [TOMBSTONE if at in gone else 0 for at in held])
    ledger.oldest, ledger.end = LOG_START, end
    ledger.seal()
    for offset in answered:
        ledger.dead_letter(offset, "in.dlq", offset)
    return ledger


def judged(ledger: Ledger, reach: Reach = REACH) -> AgentReport:
    report = AgentReport("a", "in", "out", "in.dlq")
    judge_removed(ledger, report, reach)
    return report


def ranges(report: AgentReport) -> list[tuple[int, int, bool]]:
    return [(r.first, r.last, r.is_lost) for r in report.removed_ranges]


ALL = range(END)


def without(*gaps: range) -> list[int]:
    """All offsets but those of some gaps."""
    gone = {offset for gap in gaps for offset in gap}
    return [offset for offset in ALL if offset not in gone]


def test_records_passed_over_are_lost() -> None:
    report = judged(ledger_of(without(range(30, 80), range(95, 100))))
    assert ranges(report) == [(30, 79, True), (95, 99, True)]
    assert report.problems == {Problem.REMOVED: 55}
    assert report.removed == 55
    assert str(report.culprits[0]) == (
        "removed: in[0] offset 30: offsets 30-79 (50): "
        "removed from the topic without a result or dead letter"
    )


def test_records_answered_before_they_were_removed_are_no_loss() -> None:
    report = judged(ledger_of(ALL))
    assert not report.problems
    assert not report.removed_ranges


def test_nothing_is_said_of_records_whose_output_is_gone_too() -> None:
    ledger = ledger_of(without(range(30, 80)))
    ledger.doubt_below(80)
    assert not judged(ledger).removed_ranges
    ledger = ledger_of(range(LOG_START, END))
    ledger.doubt_below(LOG_START)
    assert not judged(ledger).removed_ranges


@pytest.mark.parametrize(("first", "last"), [(50, 49), (LOG_START, 99), (110, 99)])
def test_records_that_were_gone_before_the_first_answer_are_not_known(
    first: int, last: int
) -> None:
    report = judged(ledger_of(range(first, END)))
    assert ranges(report) == [(0, last, False)]
    assert "--since" in next(iter(report.unknown_offsets))
    latest = replace(REACH, ignores_beginning=True)
    assert not judged(ledger_of(range(first, END)), latest).removed_ranges


def test_a_partition_that_was_never_answered() -> None:
    assert ranges(judged(ledger_of([]), replace(REACH, committed=-1))) == [(0, 99, False)]
    assert ranges(judged(ledger_of([]), REACH)) == [(0, 99, False)]


def test_records_that_were_not_committed_when_they_went_are_lost() -> None:
    reach = replace(REACH, committed=40)
    assert ranges(judged(ledger_of(range(40)), reach)) == [(40, 99, True)]
    # Whether or not any answer below the log start is left.
    ledger = ledger_of([])
    ledger.doubt_below(10)
    assert ranges(judged(ledger, reach)) == [(40, 99, True)]
    # The worker had read up to 60 and answers those.
    assert ranges(judged(ledger_of(range(60)), reach)) == [(60, 99, True)]


def test_records_that_a_worker_may_have_read_in_time_are_not_known() -> None:
    reach = replace(REACH, committed=40, in_work=25)
    report = judged(ledger_of(range(40)), reach)
    assert ranges(report) == [(40, 64, False), (65, 99, True)]
    assert list(report.unknown_offsets.values()) == [25]


def test_without_a_committed_offset_a_gap_is_not_known() -> None:
    report = judged(ledger_of(range(40)), replace(REACH, committed=-1))
    assert ranges(report) == [(40, 99, False)]
    assert not report.problems


MARKED = [at for at in range(LOG_START, END) if at % 5 != 4]
"""The records of transactions of four; each is followed by a marker."""


def test_transaction_markers_are_no_loss() -> None:
    answered = [at for at in ALL if at % 5 != 4]
    report = judged(ledger_of(answered, MARKED))
    assert not report.problems
    assert not report.removed_ranges


def test_a_longer_gap_where_there_are_transactions_is_not_known() -> None:
    answered = [at for at in ALL if at % 5 != 4 and at not in range(30, 80)]
    report = judged(ledger_of(answered, MARKED))
    assert ranges(report) == [(29, 79, False)]
    assert "aborted transactions" in next(iter(report.unknown_offsets))


def test_a_marker_at_the_end_is_no_loss_when_all_is_gone() -> None:
    # Idle: committed just before the last marker, then retention removed all records.
    reach = replace(REACH, committed=99)
    report = judged(ledger_of(range(99), [], end=LOG_START), reach)
    assert ranges(report) == [(99, 99, False)]
    assert not report.problems


def test_gaps_of_a_compacted_topic_are_no_loss() -> None:
    ledger = ledger_of(without(range(30, 80)), is_compacted=True)
    assert not judged(ledger).removed_ranges
    ledger = ledger_of(range(40), is_compacted=True)
    report = judged(ledger, replace(REACH, committed=40))
    assert ranges(report) == [(40, 99, False)]


def test_where_silence_is_allowed_a_gap_is_not_known() -> None:
    reach = replace(REACH, silence_allowed=True)
    report = judged(ledger_of(without(range(30, 80))), reach)
    assert ranges(report) == [(30, 79, False)]
    # Runs of records without output vary: where 4 in a row are held, 40 are usual, and 50 are not.
    for longest, expected in ((40, []), (50, [(30, 79, False)])):
        gone = range(30, 30 + longest)
        report = judged(ledger_of(without(gone, range(105, 109))), reach)
        assert ranges(report) == expected


def test_records_that_were_never_committed_are_lost_even_where_silence_is_allowed() -> None:
    reach = replace(REACH, committed=40, silence_allowed=True)
    ledger = ledger_of(without(range(40, 100)))
    assert ranges(judged(ledger, reach)) == [(40, 99, True)]


@pytest.mark.parametrize(
    ("held", "tombstones", "expected"),
    [
        (range(LOG_START, END), (), 0),
        (MARKED, (), 1),
        (range(LOG_START, END - 3), (), 3),
        (range(LOG_START, END), (105, 106), 2),
        ([], (), None),
        (range(LOG_START, END), range(LOG_START, END), None),
    ],
)
def test_the_usual_gap(
    held: Iterable[int], tombstones: Iterable[int], expected: int | None
) -> None:
    assert usual_gap(ledger_of([], held, tombstones=tombstones), REACH) == expected
