"""What `penstock state rekey` found and did."""

from __future__ import annotations

import msgspec
import typer

from agents.commands.terminal import print_table


class RekeyedPartition(msgspec.Struct, kw_only=True):
    """One line of the report."""

    topic: str
    partition: int
    position: int
    """The offset of the next record to answer."""
    sources: int
    """Sources whose state the partition has now."""
    leave: int
    arrive: int
    after: int
    """Sources whose state it has in the end."""


class RekeyReport(msgspec.Struct, kw_only=True):
    """What was found, and what was done."""

    agent: str
    notes: list[str] = []
    """Which partitioner explains where the sources lie."""
    partitions: list[RekeyedPartition] = []
    num_left_out: int = 0
    """Sources above the model's limit of keys, whose state is dropped."""
    obstacles: list[str] = []
    """Why nothing may be moved now: one sentence each."""
    is_applied: bool = False


def print_report(report: RekeyReport) -> None:
    """Print a report for people."""
    for note in report.notes:
        typer.echo(note)
    columns = ["partition", "position", "sources", "leave", "arrive", "after"]
    print_table(
        columns,
        [
            [f"{line.topic}:{line.partition}",
             *map(str, (line.position, line.sources, line.leave, line.arrive, line.after))]
            for line in report.partitions
        ],
    )  # fmt: skip
    if report.num_left_out:
        typer.echo(
            f"{report.num_left_out} sources are left out, those seen least recently: the model's "
            "max_keys is too small for one partition's sources"
        )
    for obstacle in report.obstacles:
        typer.echo(f"not possible now: {obstacle}", err=True)
    moved = sum(line.arrive for line in report.partitions)
    if report.is_applied:
        typer.echo(f"moved the state of {moved} sources, and read it back")
    elif report.obstacles:
        typer.echo("nothing was changed")
    else:
        typer.echo(f"nothing was changed: --apply moves the state of {moved} sources")
