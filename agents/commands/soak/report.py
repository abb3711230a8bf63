"""What a fault did to a pipeline, as a row; and rows as text, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from agents.commands.audit import AgentReport, Problem


class FaultRow(msgspec.Struct, kw_only=True):
    """One fault's accounts."""

    fault: str
    guarantee: str
    repetitions: int
    records: int
    """In."""
    results: int
    """Repeats included."""
    dead_letters: int
    duplicates: int
    """Results and dead letters beyond each record's first."""
    lost: int
    """Records without outcome: must be 0."""
    wrong: int
    """Other problems: out of order, differing repeats, both outcomes ...; must be 0."""
    longest_stall_seconds: float
    """Of any one partition: without a new result while there was work, outages included."""
    complaints: list[str] = []
    """For people: culprits, wrong exit codes."""

    @property
    def is_proven(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.wrong or self.complaints)


def row_of(
    fault: str,
    guarantee: str,
    repetitions: int,
    report: AgentReport,
    longest_stall_seconds: float,
    complaints: Sequence[str] = (),
) -> FaultRow:
    """Return what an audit found after a fault."""
    lost = report.problems[Problem.MISSING] + report.problems[Problem.UNFINISHED]
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
        complaints=[*map(str, report.culprits), *complaints],
    )


COLUMNS = ("fault", "guarantee", "repetitions", "records in", "results", "dead letters",
           "duplicates", "lost", "wrong", "longest stall, s")  # fmt: skip


def cells(row: FaultRow) -> list[str]:
    """Return a row as texts, in the order of `COLUMNS`."""
    return [row.fault, row.guarantee, *(f"{count:,}" for count in (
        row.repetitions, row.records, row.results, row.dead_letters, row.duplicates, row.lost,
        row.wrong)), f"{row.longest_stall_seconds:.1f}"]  # fmt: skip


def rows_as_markdown(rows: Sequence[FaultRow]) -> str:
    """Return the table in Markdown, complaints below it."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *map(cells, rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    told = [f"- {row.fault}: {complaint}\n" for row in rows for complaint in row.complaints]
    return table + ("\n" + "".join(told) if told else "")


def rows_as_text(rows: Sequence[FaultRow]) -> str:
    """Return the table in columns of equal width."""
    lines = [list(COLUMNS), *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
