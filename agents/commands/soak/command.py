"""`penstock soak`: run workers under steady load and cause faults until the time is up."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import JsonOption
from agents.errors import UserError

if TYPE_CHECKING:
    from agents.commands.broker import BrokerProcess


class Guarantee(StrEnum):
    """The guarantee that is configured, and audited."""

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


def command(
    seconds: Annotated[float, typer.Option(min=0, help="Run for at least this long.")] = 60.0,
    kills: Annotated[
        int, typer.Option(min=0, help="Run until at least this many workers were killed.")
    ] = 0,
    broker: Annotated[
        str,
        typer.Option(
            help="`kafka` (Apache Kafka, started on the local JVM), or HOST:PORT of a running one."
        ),
    ] = "kafka",
    guarantee: Annotated[
        Guarantee, typer.Option(help="The pipeline's guarantee, which the audit checks.")
    ] = Guarantee.AT_LEAST_ONCE,
    faults: Annotated[
        str,
        typer.Option(
            help="Names separated by commas: kill, stop, pause, join, roll, broker. Default: all."
        ),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Number of workers.")] = 2,
    rate: Annotated[float, typer.Option(min=50, help="Records published per second.")] = 400.0,
    partitions: Annotated[
        int, typer.Option(min=1, max=1000, help="Partitions of the input topic.")
    ] = 4,
    is_static: Annotated[
        bool,
        typer.Option("--static", help="Workers are static members: each has a group.instance.id."),
    ] = False,
    state_mb: Annotated[
        float, typer.Option(min=0, help="Megabytes of learned state of each worker; 0: none.")
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of all random choices; without it a new one, which is printed."),
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder to keep the workers' logs in.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Kill, stop, freeze, add and restart workers under load, then audit every record.

    The faults `join` and `roll` (a rolling restart) are measured: how many partitions moved, and
    how long partitions that stayed, and those that moved or restarted, had no result.
    The exit code is 1 if a record was lost or anything else is wrong. Ctrl-C ends the soak early
    and still audits. The fault `broker` restarts the broker, so it needs `--broker kafka`.
    """
    from agents.commands.soak import Setup, rebalances_as_text, rows_as_text
    from agents.commands.soak.faults import Soak
    from agents.process.exit import stop_on_signals

    number = secrets.randbelow(1_000_000) if seed is None else seed
    _report(f"seed {number}")
    with _broker(broker) as (servers, process), _folder(logs) as folder, stop_on_signals() as stop:
        setup = Setup(
            {"bootstrap.servers": servers}, process, guarantee.value, workers, per_second=rate,
            partitions=partitions, is_static=is_static, state_megabytes=state_mb,
        )  # fmt: skip
        soak = Soak(setup, _names(faults, process is not None), number, _report, stop)
        row = soak.run(folder, seconds, kills)
    if as_json:
        fields = msgspec.to_builtins(row)
        typer.echo(msgspec.json.encode({"is_proven": row.is_proven, "seed": number, **fields}))
    else:
        typer.echo(rows_as_text([row]))
        if row.rebalances:
            typer.echo(rebalances_as_text(row.rebalances))
        for complaint in row.complaints:
            typer.echo(complaint)
    if not row.is_proven:
        raise typer.Exit(1)


def _names(listed: str, may_restart_broker: bool) -> list[str]:
    from agents.commands.soak.faults import FAULTS

    possible = [
        name for name, fault in FAULTS.items() if may_restart_broker or not fault.needs_broker
    ]
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if unknown := [name for name in names if name not in possible]:
        raise UserError(f"--faults {unknown[0]}: expected some of {', '.join(possible)}")
    return names or possible


@contextmanager
def _broker(name: str) -> Iterator[tuple[str, BrokerProcess | None]]:
    """Yield the bootstrap servers, and the broker's process if it is started here."""
    if name == "embedded":
        raise UserError(
            "--broker embedded: it keeps only 5 MB per partition: use `kafka` or HOST:PORT"
        )
    if name != "kafka":
        yield name, None
        return
    from agents.commands.broker import kafka_broker

    with kafka_broker() as broker:
        yield broker.bootstrap_servers, broker


@contextmanager
def _folder(logs: Path | None) -> Iterator[Path]:
    if logs is not None:
        logs.mkdir(parents=True, exist_ok=True)
        yield logs
        return
    with tempfile.TemporaryDirectory(prefix="penstock-soak-") as folder:
        yield Path(folder)


def _report(line: str) -> None:
    typer.echo(line, err=True)
