"""`penstock soak`: real workers, steady load and faults on purpose, until the time is up."""

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
    """What is promised, and so what is judged."""

    AT_LEAST_ONCE = "at_least_once"
    EXACTLY_ONCE = "exactly_once"


def command(
    seconds: Annotated[float, typer.Option(min=0, help="Go on for at least so long.")] = 60.0,
    kills: Annotated[int, typer.Option(min=0, help="Go on until so many workers were killed.")] = 0,
    broker: Annotated[
        str,
        typer.Option(
            help="`kafka` (Apache Kafka on the local JVM), or HOST:PORT of one that runs."
        ),
    ] = "kafka",
    guarantee: Guarantee = Guarantee.AT_LEAST_ONCE,
    faults: Annotated[
        str,
        typer.Option(help="Names separated by commas, of: kill, stop, pause, join, broker."),
    ] = "",
    workers: Annotated[int, typer.Option(min=1, help="Members of the group.")] = 2,
    rate: Annotated[float, typer.Option(min=50, help="Records a second.")] = 400.0,
    seed: Annotated[
        int | None, typer.Option(help="Of all choices; without it, a new one, which is printed.")
    ] = None,
    logs: Annotated[
        Path | None, typer.Option(file_okay=False, help="Keep the workers' logs there.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Kill, stop, freeze and join workers under load, then audit every record.

    Exit code 1 if a record was lost, or anything else is wrong. Ctrl-C ends it early, with the
    audit. `broker` (a restart of the broker) is among the faults only where the broker is the
    soak's own.
    """
    from agents.commands.soak import Setup, rows_as_text
    from agents.commands.soak.soaking import Soak
    from agents.process.exit import stop_on_signals

    number = secrets.randbelow(1_000_000) if seed is None else seed
    _say(f"seed {number}")
    with _broker(broker) as (servers, own), _folder(logs) as folder, stop_on_signals() as stop:
        setup = Setup(
            {"bootstrap.servers": servers}, own, guarantee.value, workers, per_second=rate
        )
        soak = Soak(setup, _names(faults, own is not None), number, _say, stop)
        row = soak.run(folder, seconds, kills)
    if as_json:
        found = msgspec.to_builtins(row)
        typer.echo(msgspec.json.encode({"is_proven": row.is_proven, "seed": number, **found}))
    else:
        typer.echo(rows_as_text([row]))
        for complaint in row.complaints:
            typer.echo(complaint)
    if not row.is_proven:
        raise typer.Exit(1)


def _names(asked: str, owns_broker: bool) -> list[str]:
    from agents.commands.soak.faults import FAULTS

    possible = [name for name, fault in FAULTS.items() if owns_broker or not fault.needs_broker]
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := [name for name in names if name not in possible]:
        raise UserError(f"--faults {unknown[0]}: expected some of {', '.join(possible)}")
    return names or possible


@contextmanager
def _broker(name: str) -> Iterator[tuple[str, BrokerProcess | None]]:
    if name == "embedded":
        raise UserError("--broker embedded: it keeps 5 MB a partition: take `kafka` or HOST:PORT")
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


def _say(line: str) -> None:
    typer.echo(line, err=True)
