"""`penstock plan`: partitions, workers, GPUs and memory for a rate, and the age to expect."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError
from agents.pipeline.file import load_pipeline

if TYPE_CHECKING:
    from agents.commands.plan.sizing import AgentPlan, Plan
    from agents.commands.plan.speeds import AgentSpeed
    from streams.settings import PipelineSettings

_MIB = 1024 * 1024


def command(
    rate: Annotated[float, typer.Option(min=0.001, help="Events a second, of each agent's input.")],
    config: ConfigOption = DEFAULT_CONFIG,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="Plan for this agent only; repeatable.")
    ] = None,
    keys: Annotated[int, typer.Option(min=0, help="Keys of an input; 0: spread evenly.")] = 0,
    skew: Annotated[
        float, typer.Option(min=0, max=3, help="Key of rank r has the weight 1 / r^SKEW.")
    ] = 0.0,
    age_budget: Annotated[
        float, typer.Option(min=0, help="Seconds for the p99 age; 0: what the file says.")
    ] = 0.0,
    workers: Annotated[int, typer.Option(min=0, help="Look at so many; 0: find out.")] = 0,
    partitions: Annotated[int, typer.Option(min=0, help="Of an input; 0: find out.")] = 0,
    speeds: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Speeds of another machine, as JSON."),
    ] = None,
    metrics: Annotated[
        str, typer.Option(help="URL of a running worker's /metrics, to take its true rate.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Of the simulation.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Say how many workers, partitions and GPUs a rate needs, and how old answers will be.

    Loads each model and times its calls on this machine, unless --speeds or --metrics says how fast
    it is. A simulation of the queues then gives the ages, steady and with one worker lost. Connects
    to no broker. The exit code is 1 if something asked for is not met.
    """
    from agents.commands.plan.sizing import Demand, make_plan

    settings = load_pipeline(config, os.environ)
    names = _agents(settings, agent or [])
    found = _speeds(settings, names, config.parent, speeds, metrics)
    stated = [b for n in names if (b := settings.agents[n].event_age_budget_seconds) is not None]
    demand = Demand(
        rate=rate,
        keys=keys,
        skew=skew,
        age_budget_seconds=age_budget or min(stated, default=None),
        workers=workers,
        partitions=partitions,
        seed=seed,
    )
    plan = make_plan(found, demand)
    if as_json:
        typer.echo(msgspec.json.encode({"plan": plan, "speeds": found}))
    else:
        _print(plan, found)
    if plan.warnings:
        raise typer.Exit(1)


def _agents(settings: PipelineSettings, wanted: list[str]) -> list[str]:
    for name in wanted:
        if name not in settings.agents:
            raise UserError(f"--agent {name}: the file has {', '.join(settings.agents)}")
    return wanted or list(settings.agents)


def _speeds(
    settings: PipelineSettings, names: list[str], base_dir: Path, path: Path | None, url: str
) -> list[AgentSpeed]:
    from agents.commands.plan.speeds import measure_agent, read_speeds, speeds_of_metrics

    if path is not None and url:
        raise UserError("--speeds and --metrics: give one of them")
    if path is None and not url:
        for name in names:
            typer.echo(f"timing {name}: {settings.agents[name].model_name}", err=True)
        return [measure_agent(name, settings.agents[name], base_dir) for name in names]
    known = read_speeds(path) if path is not None else speeds_of_metrics(url, settings, names)
    by_agent = {speed.agent: speed for speed in known}
    for name in names:
        if name not in by_agent:
            raise UserError(f"--speeds {path}: it has no agent {name}")
    return [by_agent[name] for name in names]


def _print(plan: Plan, speeds: list[AgentSpeed]) -> None:
    print_table(
        ["agent", "model", "device", "a call", "an event", "one worker"],
        [
            [
                s.agent,
                s.model,
                s.device,
                f"{1000 * s.batch_seconds:.2f} ms",
                f"{1e6 * s.service.event_seconds:.1f} us",
                f"{s.service.capacity:,.0f}/s",
            ]
            for s in speeds
        ],
    )
    gpus = f"{plan.gpus} GPUs, " if plan.gpus else ""
    typer.echo(
        f"\n{plan.rate:,.0f} events a second: {plan.workers} workers, {plan.partitions} "
        f"partitions, {gpus}{plan.memory_bytes_per_worker / _MIB:,.0f} MiB a worker; the busiest "
        f"worker is busy for {plan.utilization:.0%} of the time\n"
    )
    print_table(
        ["agent", "p50 age", "p99 age", "batch", "p99 age, one lost", "caught up after"],
        [_row(agent) for agent in plan.agents],
    )
    for kind, lines in (("warning", plan.warnings), ("note", plan.notes)):
        for line in lines:
            typer.echo(f"{kind}: {line}")


def _row(agent: AgentPlan) -> list[str]:
    lost = agent.after_loss
    return [
        agent.agent,
        _milliseconds(agent.steady.p50_seconds),
        _milliseconds(agent.steady.p99_seconds),
        f"{agent.steady.mean_batch_size:.1f}",
        "-" if lost is None else _milliseconds(lost.p99_seconds),
        "-" if lost is None else f"{lost.backlog_seconds:.0f} s",
    ]


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.0f} ms"
