"""`penstock broker`: start a broker and keep it running until Ctrl-C."""

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

_END_SIGNALS = {signal.SIGINT, signal.SIGTERM}
#: The broker's process is checked this often.
_CHECK_SECONDS = 0.5
_ADDRESS = "bootstrap.servers"

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@app.command()
def embedded(as_json: AsJson = False) -> None:
    """Run librdkafka's in-memory mock cluster until Ctrl-C.

    It picks a free port and prints its limits. For real use, use a real cluster.
    """
    serve(embedded_broker(), _ADDRESS, "the broker", EMBEDDED_LIMITS, as_json)


@app.command()
def kafka(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free port.")] = 9092,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder to keep the data in; without it, a temporary folder."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run Apache Kafka (one node, loopback) on the local JVM until Ctrl-C.

    Needs Java 17, and either Maven, to download Apache Kafka once, or an unpacked Apache Kafka
    as KAFKA_HOME.
    """
    notes = (f"data and server.log are in {data_dir}",) if data_dir else ()
    serve(kafka_broker(port, data_dir), _ADDRESS, "the broker", notes, as_json)


def serve(
    process: AbstractContextManager[BrokerProcess],
    address: str,
    name: str,
    notes: tuple[str, ...],
    as_json: bool,
) -> None:
    """Keep a process running until SIGINT or SIGTERM, which end the command with exit code 0.

    Args:
        process: starts it.
        address: the setting that its address is a value of: `bootstrap.servers`.
        name: for messages: "the broker".
        notes: printed below the address.
        as_json: whether to print one JSON object.

    Raises:
        BrokerError: it did not start, or ended by itself.
    """
    # Blocked before the start, so that a signal can't leave the process half started.
    signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)
    with process as running:
        _announce(running, address, notes, as_json)
        while signal.sigtimedwait(_END_SIGNALS, _CHECK_SECONDS) is None:
            if not running.is_alive:
                raise BrokerError(f"{name} ended by itself: start it again")


def _announce(running: BrokerProcess, address: str, notes: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        values = {address: running.bootstrap_servers, "pid": running.pid}
        typer.echo(json.dumps({**values, "notes": notes}))
        return
    typer.echo(f"{address}={running.bootstrap_servers}")
    for note in notes:
        typer.echo(f"  - {note}")
    typer.echo("Press Ctrl-C to stop it.")
