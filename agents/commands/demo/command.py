"""`penstock demo`: the whole job for a minute, shown live."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError

if TYPE_CHECKING:
    from agents.commands.demo.inputs import Inputs
    from agents.commands.demo.report import Report
    from agents.commands.demo.view import View

BrokerOption = Annotated[
    str,
    typer.Option(
        help="`embedded`, `kafka` (on the local JVM), or HOST:PORT of a cluster that runs."
    ),
]
DataOption = Annotated[
    Path | None, typer.Option(help="A folder of real data; else what packages carry.")
]
SecondsOption = Annotated[float, typer.Option(min=1, help="How long to publish.")]
OutOption = Annotated[Path, typer.Option(file_okay=False, help="Folder for what it leaves.")]

_NOTES = (
    "event times are the moment of publishing, whatever the data's own are",
    "a few bad records are sent on purpose: they become dead letters, a tombstone is filtered",
)


def command(
    broker: BrokerOption = "embedded",
    data: DataOption = None,
    seconds: SecondsOption = 60.0,
    out: OutOption = Path("out"),
    json: JsonOption = False,
) -> None:
    """Publish four kinds of events, run the engine beside it, and show what comes of it.

    The embedded broker is for trying: it keeps about 5 MB a partition and nothing on disk.
    On a cluster of yours all topics begin with `demo.`; passwords and certificates come from
    PENSTOCK_KAFKA__... as for a worker. The exit code is 0 only if every record is accounted for.
    """
    _check_broker(broker)
    said: list[str] = []
    inputs = _inputs(data, said.append)
    header = [*said, *inputs.describe(), f"broker: {_broker_in_words(broker)}", *_NOTES]
    with _view(header, seconds, json) as view, _stopping() as stop:
        report = _run(broker, seconds, out, inputs, view, stop)
    _print(report, json)
    raise typer.Exit(report.exit_code)


def _check_broker(broker: str) -> None:
    if broker in ("embedded", "kafka") or ":" in broker:
        return
    raise UserError(f"--broker {broker}: expected embedded, kafka or HOST:PORT")


def _broker_in_words(broker: str) -> str:
    from agents.commands.broker import EMBEDDED_LIMITS

    return f"embedded ({EMBEDDED_LIMITS[0]})" if broker == "embedded" else broker


def _inputs(data: Path | None, say: Any) -> Inputs:
    from agents.commands.demo.inputs import folder_inputs, packaged_inputs
    from agents.commands.produce.sources import SourceError

    try:
        return packaged_inputs() if data is None else folder_inputs(data, say)
    except SourceError as error:
        raise UserError(str(error)) from error


@contextmanager
def _view(header: list[str], seconds: float, as_json: bool) -> Iterator[View]:
    """Yield the view that fits the place: a terminal, a pipe, or a machine that wants the end."""
    from agents.commands.demo.plain_view import PlainView
    from agents.commands.demo.view import Silence

    if as_json:
        yield Silence()
    elif sys.stdout.isatty():
        from rich.console import Console

        from agents.commands.demo.live_view import LiveView

        with LiveView(header, seconds, Console()) as live:
            yield live
    else:
        for line in header:
            typer.echo(line)
        yield PlainView(typer.echo)


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C and SIGTERM set; a second one ends the command at once."""
    stop = threading.Event()

    def on_signal(number: int, _: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _run(
    broker: str, seconds: float, out: Path, inputs: Inputs, view: View, stop: threading.Event
) -> Report:
    from agents.commands.demo.errors import DemoError
    from agents.commands.demo.run import Options, run_demo

    try:
        return run_demo(Options(broker, seconds, out), inputs, view, stop)
    except (DemoError, OSError) as error:
        raise UserError(str(error)) from error


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(report.to_json())))
        return
    from agents.commands.demo.report import COLUMNS

    print_table(COLUMNS, report.table())
    for line in [*report.notes(), *(f"NOT RIGHT: {fault}" for fault in report.faults)]:
        typer.echo(line)
    if not report.faults:
        typer.echo("balanced: records in = answered + dead-lettered + filtered, for every agent")
    for line in report.written():
        typer.echo(line)
