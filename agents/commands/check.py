"""`penstock check`: is the pipeline file right, can its models be made, is its broker there?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from agents.commands.checking import CheckedAgent, CheckedBroker, check_agent, check_broker
from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import EXIT_CODE, error_lines
from agents.pipeline.file import load_pipeline


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    load: Annotated[bool, typer.Option("--load", help="Also load and try each model.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Don't ask the broker.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the broker.")] = 5.0,
    json: JsonOption = False,
) -> None:
    """Check a pipeline file, its models and its broker; exit code 2 if anything is wrong."""
    settings = load_pipeline(config, os.environ)
    agents = [check_agent(n, a, config.parent, load) for n, a in settings.agents.items()]
    learning = [a.agent for a in agents if a.is_online]
    broker = None if offline else check_broker(settings, timeout, learning)
    problems = [f"{config}: {a.problem}" for a in agents if a.problem]
    problems += [broker.problem] if broker and broker.problem else []
    if json:
        _print_json(agents, broker, problems)
    else:
        _print_tables(config, agents, broker, problems)
    if problems:
        raise typer.Exit(EXIT_CODE)


def _print_json(
    agents: list[CheckedAgent], broker: CheckedBroker | None, problems: list[str]
) -> None:
    found = {"ok": not problems, "problems": problems, "agents": agents, "broker": broker}
    typer.echo(msgspec.json.encode(found))


def _print_tables(
    config: Path, agents: list[CheckedAgent], broker: CheckedBroker | None, problems: list[str]
) -> None:
    rows = [
        [a.agent, f"{', '.join(a.inputs)} -> {a.output}", a.event, f"{a.model} {a.version}".strip(),
         "problem" if a.problem else "ok"]
        for a in agents
    ]  # fmt: skip
    print_table(["agent", "topics", "event", "model", "state"], rows)
    if broker:
        state = f"{broker.num_brokers} brokers" if broker.num_brokers else "not reached"
        typer.echo(f"broker {broker.servers}: {state}")
    for problem in problems:
        typer.echo("\n".join(error_lines(ValueError(problem))), err=True)
    if not problems:
        typer.echo(f"{config}: ok")
