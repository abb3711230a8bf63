"""The result of a fault as a row, and rows as a text or Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.commands.audit import AgentReport, Problem
from agents.commands.soak.rebalances import RebalanceRow


class FaultRow(msgspec.Struct, kw_only=True):
    """The accounts of one fault."""

    fault: str
    guarantee: str
    repetitions: int
    records: int
    """Records in."""
    results: int
    """Repeats included."""
    dead_letters: int
    duplicates: int
    """Results and dead letters beyond each record's first."""
    lost: int
    """Records without an outcome: must be 0."""
    wrong: int
    """Other problems: out of order, differing repeats, both outcomes ...; must be 0."""
    longest_stall_seconds: float
    """Longest time without a new result in a partition, broker outages included."""
    complaints: list[str] = []
    """In words: records with problems, what the audit can't know, unexpected exit codes."""
    rebalances: list[RebalanceRow] = []
    """What joins, leaves and rolling restarts have cost, if there were any."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.wrong or self.complaints)


#: The problems of records without an outcome.
_LOST = (Problem.MISSING, Problem.REMOVED, Problem.UNFINISHED)


def row_of(
    fault: str,
    guarantee: str,
    repetitions: int,
    report: AgentReport,
    longest_stall_seconds: float,
    complaints: Sequence[str] = (),
    rebalances: Sequence[RebalanceRow] = (),
) -> FaultRow:
    """Return the row of a fault from its audit."""
    lost = sum(report.problems[problem] for problem in _LOST)
    return FaultRow(
        fault=fault,
        guarantee=guarantee,
        repetitions=repetitions,
        records=report.records,
        results=report.results,
        dead_letters=report.letters,
        duplicates=report.repeats,
        lost=lost,
        wrong=sum(report.problems.values()) - lost,
        longest_stall_seconds=round(longest_stall_seconds, 1),
        complaints=[*map(str, report.culprits), *report.doubts, *complaints],
        rebalances=list(rebalances),
    )


COLUMNS = ("fault", "guarantee", "repetitions", "records in", "results", "dead letters",
           "duplicates", "lost", "wrong", "longest stall, s")  # fmt: skip


def cells(row: FaultRow) -> list[str]:
    """Return the cells of a row, in the order of `COLUMNS`."""
    return [row.fault, row.guarantee, *(f"{count:,}" for count in (
        row.repetitions, row.records, row.results, row.dead_letters, row.duplicates, row.lost,
        row.wrong)), f"{row.longest_stall_seconds:.1f}"]  # fmt: skip


def rows_as_markdown(rows: Sequence[FaultRow]) -> str:
    """Return the rows as a Markdown table, followed by their complaints."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    complaints = [f"- {row.fault}: {complaint}\n" for row in rows for complaint in row.complaints]
    return table + ("\n" + "".join(complaints) if complaints else "")


def rows_as_text(rows: Sequence[FaultRow]) -> str:
    """Return the rows as a table with aligned columns."""
    return _aligned([list(COLUMNS), *map(cells, rows)], num_left=2)


REBALANCE_COLUMNS = ("rebalance", "times", "partitions", "moved", "stall of those that stay, s",
                     "of those that move, s")  # fmt: skip


def rebalances_as_text(rows: Sequence[RebalanceRow]) -> str:
    """Return what rebalances have cost as a table with aligned columns."""
    lines = [
        [row.kind, *map(str, (row.rebalances, row.partitions, row.most_moved)),
         f"{row.kept_stall_seconds:.2f}", f"{row.moved_stall_seconds:.2f}"]
        for row in rows
    ]  # fmt: skip
    return _aligned([list(REBALANCE_COLUMNS), *lines], num_left=1)


def _aligned(lines: Sequence[Sequence[str]], num_left: int) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < num_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
