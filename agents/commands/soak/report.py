"""The result of a fault as a row, and rows as a text or Markdown table."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.commands.audit import AgentReport, Problem


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
    lines = [list(COLUMNS), *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
