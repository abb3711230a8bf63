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
    """Whether to read records of open and aborted transactions."""

    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="Audit only this agent; repeatable.")
    ] = None,
    drained: Annotated[
        bool,
        typer.Option("--drained", help="Every record must be finished: none may be in flight."),
    ] = False,
    expect_answer: Annotated[
        bool,
        typer.Option(
            "--expect-answer",
            help="Require output even of agents with `answers: sometimes` in the file.",
        ),
    ] = False,
    exactly_once: Annotated[
        bool,
        typer.Option(
            "--exactly-once",
            help="Allow no repeats, not even equal ones; the default if the file's guarantee is "
            "exactly_once.",
        ),
    ] = False,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            help="How much the numbers of a repeat may differ, as a share of the larger one.",
        ),
    ] = 0.0,
    isolation: Annotated[
        Isolation | None,
        typer.Option(
            "--isolation-level",
            help="How to read results; read_committed if the guarantee is exactly_once.",
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(help=f"Only input records from this time on: {MOMENT_HELP}.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Prove that no record was lost, doubled or reordered.

    Reads the topics to their present ends and accounts for every input record. Joins no consumer
    group and commits no offsets. Exit code: 0, proven; 1, something is wrong; 2, the audit could
    not run; 3, not provable: nothing wrong was found, but something can't be known.
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
        typer.echo(msgspec.json.encode(_as_json(report)))
    else:
        _print(report)
    raise typer.Exit(_EXIT_CODES[report.verdict])


_EXIT_CODES = {"proven": 0, "wrong": 1, "not_provable": 3}


def _as_json(report: Report) -> dict[str, object]:
    agents = [{"verdict": a.verdict, **msgspec.to_builtins(a)} for a in report.agents]
    verdict = {"is_proven": report.is_proven, "verdict": report.verdict}
    return {**verdict, **msgspec.to_builtins(report), "agents": agents}


_COLUMNS = ("records", "answered", "dead_lettered", "filtered", "in_flight", "without_output",
            "removed", "removed_output", "results", "repeats", "replays")  # fmt: skip


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
    typer.echo(_sentence(report))


def _sentence(report: Report) -> str:
    """Return the verdict, and what it is about."""
    not_judged = sum(agent.not_judged for agent in report.agents)
    judged = sum(agent.records for agent in report.agents) - not_judged
    rest = f"; {not_judged} others are not judged" if not_judged else ""
    if report.verdict == "proven":
        return f"proven: none of the {judged} records is lost, doubled or out of order{rest}"
    if report.verdict == "not_provable":
        return f"not provable: none of the {judged} records is known to be lost, doubled or out "\
               f"of order{rest}, but see above what can't be known"  # fmt: skip
    num_problems = sum(sum(agent.problems.values()) for agent in report.agents)
    return f"wrong: {num_problems} problem{'s' * (num_problems != 1)}"


def _remarks(agent: AgentReport) -> list[str]:
    counted = [f"{agent.agent}: {count} {problem}" for problem, count in agent.problems.items()]
    named = [f"  {culprit}" for culprit in agent.culprits]
    doubts = [f"not provable: {agent.agent}: {doubt}" for doubt in agent.doubts]
    notes = [f"note: {agent.agent}: {note}" for note in agent.notes]
    if agent.foreign:
        notes.append(
            f"note: {agent.agent}: {agent.foreign} records on its topics are of other programs"
        )
    if agent.without_output:
        notes.append(
            f"note: {agent.agent}: {agent.without_output} committed records have no output, which "
            "the pipeline file allows: they are not judged"
        )
    return [*counted, *named, *doubts, *notes]
