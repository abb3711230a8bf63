"""`penstock bench`: Penstock and its peers on the same work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from agents.cli.errors import UserError
from agents.cli.options import JsonOption
from agents.cli.tables import print_table

if TYPE_CHECKING:
    from agents.bench.outcomes import Outcome
    from agents.bench.stream import StreamBench

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Measure Penstock and its peers on the same work.",
)

BrokerOption = Annotated[
    str,
    typer.Option(
        help="`embedded`, `kafka` (on the local JVM), or HOST:PORT of a cluster that runs."
    ),
]
WorkloadOption = Annotated[str, typer.Option(help="a, b, c or d: see benchmarks/README.md.")]


@app.callback()
def group() -> None:
    """Measure Penstock and its peers on the same work."""


@app.command()
def stream(
    broker: BrokerOption = "kafka",
    workload: WorkloadOption = "a",
    records: Annotated[int, typer.Option(min=0, help="To load; 0: the workload's own number.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each contender runs.")] = 3,
    contenders: Annotated[
        str, typer.Option(help="Names separated by commas; by default all that do the workload.")
    ] = "",
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the medians.")] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of the input and the output.")] = 4,
    as_json: JsonOption = False,
) -> None:
    """Run each contender in turn, check all of its output, and print the medians.

    Peers' environments are built on first use. The exit code is 1 if a run failed or its output
    was wrong.
    """
    from agents.bench.brokers import broker_for
    from agents.bench.stream import Plan, StreamBench

    names = _contenders(contenders, workload)
    count = _num_records(broker, workload, records, partitions)
    with broker_for(broker) as servers:
        bench = StreamBench(Plan(servers, workload, count, rounds, partitions, names), _say)
        outcomes = bench.run()
    if as_json:
        typer.echo(msgspec.json.encode(outcomes))
    else:
        _print(bench, outcomes)
    if plot is not None:
        _draw(outcomes, workload, plot)
    if bench.faults:
        raise typer.Exit(1)


def _say(line: str) -> None:
    # On stderr: what is measured goes to stdout alone.
    print(line, file=sys.stderr, flush=True)


def _contenders(given: str, workload: str) -> list[str]:
    from agents.bench.contenders import CONTENDERS
    from agents.bench.workloads import WORKLOADS

    if workload not in WORKLOADS:
        raise UserError(f"--workload {workload}: expected one of {', '.join(WORKLOADS)}")
    if not given:
        return [name for name, each in CONTENDERS.items() if workload in each.workloads]
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in CONTENDERS:
            raise UserError(f"no contender {name!r}: expected one of {', '.join(CONTENDERS)}")
    return names


def _num_records(broker: str, workload: str, records: int, partitions: int) -> int:
    """Return how many records to load, within what the embedded broker keeps."""
    from agents.bench.workloads import WORKLOADS, most_on_embedded

    wanted = records or WORKLOADS[workload].num_records
    if broker != "embedded":
        return wanted
    most = most_on_embedded(WORKLOADS[workload])
    if records > most:
        raise UserError(
            f"--records {records}: the embedded broker keeps {most} of this workload's results: "
            "ask for fewer, or take --broker kafka"
        )
    return min(wanted, most)


def _print(bench: StreamBench, outcomes: Sequence[Outcome]) -> None:
    from agents.bench.outcomes import summarise

    columns = ["contender", "version", "rounds", "records/s", "lowest", "highest",
               "cpu s/million", "penstock is"]  # fmt: skip
    rows = [
        [s.contender, s.version, str(s.rounds), f"{s.median:,.0f}", f"{s.lowest:,.0f}",
         f"{s.highest:,.0f}", f"{s.cpu_seconds_per_million:.2f}",
         "" if s.ratio is None else f"{s.ratio:.2f} times"]
        for s in summarise(outcomes)
    ]  # fmt: skip
    absent = [[name, "not available: " + why, *[""] * 6] for name, why in bench.unavailable.items()]
    print_table(columns, rows + absent)


def _draw(outcomes: Sequence[Outcome], workload: str, path: Path) -> None:
    from agents.bench.outcomes import summarise
    from agents.bench.plot import draw
    from agents.bench.workloads import WORKLOADS

    summaries = summarise(outcomes)
    if not summaries:
        raise UserError("nothing to draw: no run was verified")
    try:
        draw(summaries, WORKLOADS[workload].title, path)
    except (OSError, ValueError) as error:
        raise UserError(f"can't draw {path}: {error}") from error
