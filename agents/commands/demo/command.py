"""`penstock demo`: run the whole job for a minute and show it live."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError

if TYPE_CHECKING:
    from agents.commands.demo.inputs import Inputs
    from agents.commands.demo.report import Report
    from agents.commands.demo.views import View

BrokerOption = Annotated[
    str,
    typer.Option(
        help="`embedded`, `kafka` (started on the local JVM), or HOST:PORT of a running cluster."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(help="Folder of real data; without it, data from installed packages."),
]
SecondsOption = Annotated[float, typer.Option(min=1, help="How long to publish events.")]
OutOption = Annotated[Path, typer.Option(file_okay=False, help="Folder for pictures and results.")]

_NOTES = (
    "event times are replaced by the time of publishing",
    "a few bad records are sent on purpose: they become dead letters; tombstones are filtered",
)


def command(
    broker: BrokerOption = "embedded",
    data: DataOption = None,
    seconds: SecondsOption = 60.0,
    out: OutOption = Path("out"),
    json: JsonOption = False,
) -> None:
    """Publish four kinds of events, run the engine on them, and show the results.

    The embedded broker is only for trying: it keeps about 5 MB per partition, in memory. On your
    own cluster the names of all topics start with `demo.`; passwords and certificates come from
    PENSTOCK_KAFKA__... as for a worker. The exit code is 0 only if every record is accounted for.
    """
    from agents.process.exit import stop_on_signals

    _check_broker(broker)
    replaced: list[str] = []
    inputs = _inputs(data, replaced.append)
    header = [*replaced, *inputs.describe(), f"broker: {_describe_broker(broker)}", *_NOTES]
    with _view(header, seconds, json) as view, stop_on_signals() as stop:
        report = _run(broker, seconds, out, inputs, view, stop)
    _print(report, json)
    raise typer.Exit(report.exit_code)


def _check_broker(broker: str) -> None:
    if broker in ("embedded", "kafka") or ":" in broker:
        return
    raise UserError(f"--broker {broker}: expected embedded, kafka or HOST:PORT")


def _describe_broker(broker: str) -> str:
    from agents.commands.broker import EMBEDDED_LIMITS

    return f"embedded ({EMBEDDED_LIMITS[0]})" if broker == "embedded" else broker


def _inputs(data: Path | None, report: Callable[[str], None]) -> Inputs:
    from agents.commands.demo.inputs import folder_inputs, packaged_inputs
    from agents.commands.produce.sources import SourceError

    try:
        return packaged_inputs() if data is None else folder_inputs(data, report)
    except SourceError as error:
        raise UserError(str(error)) from error


@contextmanager
def _view(header: list[str], seconds: float, as_json: bool) -> Iterator[View]:
    """Yield a view for a terminal, for a pipe, or for a script that only reads the final JSON."""
    from agents.commands.demo.views import PlainView, SilentView

    if as_json:
        yield SilentView()
    elif sys.stdout.isatty():
        from rich.console import Console

        from agents.commands.demo.live_view import LiveView

        with LiveView(header, seconds, Console()) as live:
            yield live
    else:
        for line in header:
            typer.echo(line)
        yield PlainView(typer.echo)


def _run(
    broker: str,
    seconds: float,
    out: Path,
    inputs: Inputs,
    view: View,
    stop: Callable[[], bool],
) -> Report:
    from agents.commands.demo.run import Options, run_demo

    try:
        return run_demo(Options(broker, seconds, out), inputs, view, stop)
    except OSError as error:
        raise UserError(str(error)) from error


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(report.to_json())))
        return
    from agents.commands.demo.report import COLUMNS

    print_table(COLUMNS, report.table())
    for line in [*report.notes(), *(f"FAULT: {fault}" for fault in report.faults)]:
        typer.echo(line)
    if not report.faults:
        typer.echo("balanced: records in = answered + dead-lettered + filtered, for every agent")
    for line in report.written():
        typer.echo(line)
