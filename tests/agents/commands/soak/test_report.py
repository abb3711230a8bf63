"""A row holds the result of an audit, and the tables are legible."""

from __future__ import annotations

from agents.commands.audit import AgentReport, Problem
from agents.commands.soak.report import COLUMNS, row_of, rows_as_markdown, rows_as_text


def audited(**problems: int) -> AgentReport:
    report = AgentReport("a", "in", "out", "in.dlq")
    report.records, report.results, report.letters, report.repeats = 1000, 995, 10, 5
    for name, count in problems.items():
        for offset in range(count):
            report.blame(Problem[name.upper()], "in", 0, offset, "detail")
    return report


def test_a_row_without_problems_is_proven() -> None:
    row = row_of("a kill", "at_least_once", 3, audited(), 2.345)
    assert row.is_proven
    assert (row.records, row.results, row.dead_letters, row.duplicates) == (1000, 995, 10, 5)
    assert (row.lost, row.wrong, row.longest_stall_seconds) == (0, 0, 2.3)


def test_records_without_outcome_are_lost_and_other_problems_wrong() -> None:
    report = audited(missing=2, unfinished=1, removed=1, doubled=4)
    row = row_of("x", "exactly_once", 1, report, 0)
    assert (row.lost, row.wrong) == (4, 4)
    assert not row.is_proven
    assert len(row.complaints) == 8


def test_a_row_with_a_doubt_is_not_proven() -> None:
    report = audited()
    report.doubts.append("output was removed")
    row = row_of("x", "at_least_once", 1, report, 0)
    assert (row.is_proven, row.lost, row.wrong) == (False, 0, 0)
    assert row.complaints == ["output was removed"]


def test_a_row_with_only_a_complaint_is_not_proven() -> None:
    assert not row_of("x", "at_least_once", 1, audited(), 0, ["exit code 1"]).is_proven


def test_tables_show_every_number_and_complaint() -> None:
    rows = [row_of("a kill", "at_least_once", 3, audited(missing=1), 2.0)]
    lines = rows_as_markdown(rows).splitlines()
    assert lines[0].strip("| ").split(" | ") == list(COLUMNS)
    assert "| a kill | at_least_once | 3 | 1,000 | 995 | 10 | 5 | 1 | 0 | 2.0 |" in lines
    assert lines[-1].startswith("- a kill: missing: in[0] offset 0")
    head, line = rows_as_text(rows).splitlines()
    assert head.index("guarantee") == line.index("at_least_once")
