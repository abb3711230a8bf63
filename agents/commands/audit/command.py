"""`penstock audit`: was any record lost, doubled or reordered?"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import (
    DEFAULT_CONFIG,
    MOMENT_HELP,
    ConfigOption,
    JsonOption,
    counting_bar,
    moment_ms,
    print_table,
)
from agents.errors import UserError, printable
from agents.pipeline.file import load_pipeline
from streams.settings import EXACTLY_ONCE

if TYPE_CHECKING:
    from agents.commands.audit import AgentReport, Report


class Isolation(StrEnum):
    """Whether records of transactions that are open or aborted are read."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="Audit this one alone; repeatable.")
    ] = None,
    drained: Annotated[
        bool, typer.Option("--drained", help="Take nothing as in flight: all must be finished.")
    ] = False,
    expect_answer: Annotated[
        bool,
        typer.Option("--expect-answer", help="Also of agents whose file says answers: sometimes."),
    ] = False,
    exactly_once: Annotated[
        bool,
        typer.Option(
            "--exactly-once",
            help="A repeat is wrong, even an equal one: so where the file guarantees it.",
        ),
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="How far numbers of a repeat may differ, as a share of the larger."
        ),
    ] = 0.0,
    isolation: Annotated[
        Isolation | None,
        typer.Option("--isolation-level", help="Of results; read_committed if exactly once."),
    ] = None,
    since: Annotated[str, typer.Option(help=f"Only records from then on: {MOMENT_HELP}.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Account for every input record: exit code 0 if all is proven, 1 if something is wrong.

    Reads the topics to their present ends; joins no group and commits nothing.
    """
    from agents.commands.audit import AuditOptions, audit_pipeline

    settings = load_pipeline(config, os.environ)
    exactly_once = exactly_once or settings.guarantee == EXACTLY_ONCE
    default = Isolation.READ_COMMITTED if exactly_once else Isolation.READ_UNCOMMITTED
    options = AuditOptions(
        agents=agent or (),
        is_drained=drained,
        expects_answers=expect_answer,
        repeats_allowed=not exactly_once,
        tolerance=tolerance,
        isolation=(isolation or default).value,
        since_ms=moment_ms(since, "--since"),
    )
    try:
        with counting_bar("records") as on_progress:
            report = audit_pipeline(settings, options, on_progress)
    except ValueError as error:
        raise UserError(str(error)) from error
    if as_json:
        typer.echo(msgspec.json.encode({"is_proven": report.is_proven, **_as_json(report)}))
    else:
        _print(report)
    if not report.is_proven:
        raise typer.Exit(1)


def _as_json(report: Report) -> dict[str, object]:
    found: dict[str, object] = msgspec.to_builtins(report)
    return found


_COLUMNS = ("records", "answered", "dead_lettered", "filtered", "in_flight", "without_output",
            "removed", "results", "repeats", "replays")  # fmt: skip


def _print(report: Report) -> None:
    columns = ["agent", "input", *(name.replace("_", " ") for name in _COLUMNS), "wrong"]
    rows = [
        [
            a.agent,
            a.input,
            *(str(getattr(a, name)) for name in _COLUMNS),
            str(sum(a.problems.values())),
        ]
        for a in report.agents
    ]
    print_table(columns, rows)
    for agent in report.agents:
        for line in _remarks(agent):
            typer.echo(printable(line))
    if report.is_proven:
        typer.echo(
            f"proven: none of the {sum(a.records for a in report.agents)} records is lost, doubled "
            "or out of order"
        )


def _remarks(agent: AgentReport) -> list[str]:
    counted = [f"{agent.agent}: {count} {problem}" for problem, count in agent.problems.items()]
    named = [f"  {culprit}" for culprit in agent.culprits]
    notes = [f"note: {agent.agent}: {note}" for note in agent.notes]
    if agent.foreign:
        notes.append(f"note: {agent.agent}: {agent.foreign} records on its topics are of others")
    return [*counted, *named, *notes]
