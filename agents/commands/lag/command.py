"""`penstock lag`: how many records wait, read from the broker, whether or not a worker runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption, JsonOption, print_table
from agents.errors import UserError, printable
from agents.pipeline.file import load_pipeline

if TYPE_CHECKING:
    from agents.commands.lag.reading import LagReader
    from agents.commands.lag.report import LagReport, PartitionLag

#: Beside 9464, the worker's port, so that both can run on one machine.
LAG_PORT = 9465


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    agent: Annotated[
        list[str] | None, typer.Option("--agent", help="Only this agent's input; repeatable.")
    ] = None,
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Run until Ctrl-C and serve the lag for Prometheus and KEDA."),
    ] = False,
    host: Annotated[str, typer.Option(help="With --serve: the address to listen on.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="With --serve: the port; 0 for any free one.")
    ] = LAG_PORT,
    interval: Annotated[
        float, typer.Option(min=1, help="With --serve: seconds between two readings.")
    ] = 15.0,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds to wait for each answer of the broker.")
    ] = 10.0,
    as_json: JsonOption = False,
) -> None:
    """Show how many records wait for the group, and for how long, worker or not.

    Reads the group's committed offsets and the ends of the input topics from the broker. Joins no
    group and commits nothing. The exit code is 1 if an input topic does not exist.
    """
    from agents.commands.lag.reading import LagReader

    settings = load_pipeline(config, os.environ)
    try:
        reader = LagReader(settings, agent or (), timeout)
    except ValueError as error:
        raise UserError(str(error)) from error
    try:
        if serve:
            _serve(reader, host, port, interval, timeout)
            return
        report = reader.read()
    finally:
        reader.close()
    if as_json:
        from agents.commands.lag.report import total_records

        document = {"lag_records": total_records(report.partitions), **msgspec.to_builtins(report)}
        typer.echo(msgspec.json.encode(document))
    else:
        _print(report)
    if report.missing_topics:
        raise typer.Exit(1)


def _serve(reader: LagReader, host: str, port: int, interval: float, timeout: float) -> None:
    import signal
    import threading

    from agents.commands.lag.exporting import LagExporter, read_until_stopped, registry_of
    from agents.commands.worker_log import ignore_unwritable_log, log_to_stderr
    from agents.process.metrics_server import serve_registry

    ignore_unwritable_log()
    log_to_stderr("INFO")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    exporter = LagExporter(reader.agents, interval, timeout)
    # Before the port opens, so that a wrong address of the broker is noticed at once.
    exporter.took(reader.read())
    serve_registry(host, port, registry_of(exporter), exporter.probes(), "--port")
    read_until_stopped(reader.read, exporter, interval, stop)


def _print(report: LagReport) -> None:
    columns = ["agent", "topic", "partition", "committed", "end", "lag", "oldest waits", "note"]
    rows = [
        [p.agent, p.topic, str(p.partition), "-" if p.committed is None else str(p.committed),
         str(p.end), _count(p), _age(p), _note(p)]
        for p in report.partitions
    ]  # fmt: skip
    print_table(columns, rows)
    for topic in report.missing_topics:
        typer.echo(f"missing: the broker has no topic {topic}")
    if report.num_members is None:
        typer.echo(f"group {report.group}: this broker does not list its members")
        return
    typer.echo(f"group {report.group}: {report.num_members} members")
    for member in report.members:
        typer.echo(printable(f"  {member.client_id} at {member.host}: {member.partitions} "
                             "partitions"))  # fmt: skip


def _count(partition: PartitionLag) -> str:
    return f"{'' if partition.is_exact else 'up to '}{partition.lag_records}"


def _age(partition: PartitionLag) -> str:
    if partition.lag_records == 0:
        return "-"
    return "?" if partition.lag_seconds is None else f"{partition.lag_seconds:.0f} s"


def _note(partition: PartitionLag) -> str:
    if partition.is_other_topic:
        return "the committed offset is of an earlier topic of this name"
    return f"{partition.removed} removed before they were read" if partition.removed else ""
