"""`penstock broker`: run a broker on this machine, for trying and testing."""

from __future__ import annotations

import json
import signal
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.broker import EMBEDDED_LIMITS, BrokerProcess, embedded_broker, kafka_broker
from streams.kafka.errors import BrokerError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Run a broker on this machine, for trying and testing.",
)

_ENDS = {signal.SIGINT, signal.SIGTERM}
_WATCH_SECONDS = 0.5

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of words.")]


@app.command()
def embedded(as_json: AsJson = False) -> None:
    """Run librdkafka's in-memory mock cluster until Ctrl-C.

    It picks a free port and has limits, which it prints; for real use take a real cluster.
    """
    _serve(embedded_broker(), EMBEDDED_LIMITS, as_json)


@app.command()
def kafka(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 9092,
    data_dir: Annotated[
        Path | None,
        typer.Option(file_okay=False, help="Kept and used again; else a temporary folder."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run Apache Kafka (one node, loopback) on the local JVM until Ctrl-C.

    Needs Java 17, and Maven once for its jars; or an unpacked Apache Kafka as KAFKA_HOME.
    """
    notes = (f"data and server.log are in {data_dir}",) if data_dir else ()
    _serve(kafka_broker(port, data_dir), notes, as_json)


def _serve(
    broker: AbstractContextManager[BrokerProcess], notes: tuple[str, ...], as_json: bool
) -> None:
    """Keep the broker up until SIGINT or SIGTERM, which end the command with exit code 0."""
    # From here on, so that a signal during the start can't leave the broker half up.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    with broker as running:
        _announce(running, notes, as_json)
        while signal.sigtimedwait(_ENDS, _WATCH_SECONDS) is None:
            if not running.is_alive:
                raise BrokerError("the broker ended by itself: start it again")


def _announce(broker: BrokerProcess, notes: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        address = {"bootstrap.servers": broker.bootstrap_servers, "pid": broker.pid}
        typer.echo(json.dumps({**address, "notes": notes}))
        return
    typer.echo(f"bootstrap.servers={broker.bootstrap_servers}")
    for note in notes:
        typer.echo(f"  - {note}")
    typer.echo("Ctrl-C ends it.")
