"""`penstock bench`: Penstock and its peers on the same work."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError

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
ContendersOption = Annotated[str, typer.Option(help="Names separated by commas.")]
PartitionsOption = Annotated[int, typer.Option(min=1, help="Of the input and the output.")]


@app.callback()
def group() -> None:
    """Measure Penstock and its peers on the same work."""


@app.command()
def stream(
    broker: BrokerOption = "kafka",
    workload: Annotated[str, typer.Option(help="a, b, c or d: see benchmarks/README.md.")] = "a",
    records: Annotated[int, typer.Option(min=0, help="0: the workload's own number.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each contender runs.")] = 3,
    contenders: ContendersOption = "",
    plot: Annotated[Path | None, typer.Option(dir_okay=False, help="Draw the medians.")] = None,
    partitions: PartitionsOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Run each contender in turn, check all of its output, and print the medians.

    Without --contenders, all that do the workload take part; their environments are built on first
    use. The exit code is 1 if a run failed or its output was wrong.
    """
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import contender_names, num_records
    from benchmarks.harness.outcomes import summarise
    from benchmarks.harness.plot import draw
    from benchmarks.harness.stream import Plan, StreamBench
    from benchmarks.harness.tables import stream_table
    from benchmarks.harness.workloads import WORKLOADS

    names = contender_names(contenders, workload)
    count = num_records(broker, workload, records)
    with broker_at(broker) as servers:
        bench = StreamBench(Plan(servers, workload, count, rounds, partitions, names), _say)
        outcomes = bench.run()
    _print(outcomes, stream_table(outcomes, bench.unavailable), as_json)
    if plot is not None:
        draw(summarise(outcomes), WORKLOADS[workload].title, plot)
    if bench.faults:
        raise typer.Exit(1)


@app.command()
def latency(
    broker: BrokerOption = "kafka",
    share: Annotated[
        float, typer.Option(min=0.01, max=0.99, help="Of the stub's highest rate.")
    ] = 0.8,
    seconds: Annotated[float, typer.Option(min=1, help="How long to send.")] = 15.0,
    contenders: ContendersOption = "penstock",
    as_json: JsonOption = False,
) -> None:
    """Report how old events are when answered, under Poisson arrivals and bursts (workload d)."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import contender_names, told_errors
    from benchmarks.harness.contenders import CONTENDERS
    from benchmarks.harness.latency import ARRIVALS, measure_ages
    from benchmarks.harness.tables import latency_table

    found = []
    with told_errors(), broker_at(broker) as servers:
        for name in contender_names(contenders, "d"):
            ready = CONTENDERS[name].make_ready("d")
            for arrivals in ARRIVALS:
                _say(f"{name}: {arrivals} at {share:.0%} for {seconds:g} s")
                ages = measure_ages(servers, CONTENDERS[name], ready, arrivals, share, seconds)
                found.append(ages)
    _print(found, latency_table(found), as_json)


@app.command()
def scale(
    broker: BrokerOption = "kafka",
    workers: Annotated[str, typer.Option(help="Numbers separated by commas.")] = "1,2,4,8",
    partitions: PartitionsOption = 16,
    records_each: Annotated[int, typer.Option(min=1000, help="To load for each worker.")] = 500_000,
    as_json: JsonOption = False,
) -> None:
    """Run `penstock worker --processes` 1, 2, 4 ... on workload d. Needs Apache Kafka."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import numbers, told_errors
    from benchmarks.harness.scale import Scaled, measure_scale
    from benchmarks.harness.tables import scale_table

    if broker == "embedded":
        raise UserError("--broker embedded keeps too few records and tells no group's state")
    found: list[Scaled] = []
    with told_errors(), broker_at(broker) as servers:
        for number in numbers(workers):
            _say(f"{number} workers")
            rate = measure_scale(servers, number, partitions, records_each)
            first = found[0].records_per_second if found else rate
            found.append(Scaled(number, number * records_each, rate, rate / first))
    _print(found, scale_table(found), as_json)


@app.command()
def memory(
    broker: BrokerOption = "kafka",
    behind: Annotated[
        str, typer.Option(help="Records, separated by commas.")
    ] = "10000,100000,1000000",
    partitions: PartitionsOption = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long to let it work.")] = 15.0,
    as_json: JsonOption = False,
) -> None:
    """Report the peak memory of a worker by how far it is behind (workload d)."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import numbers, told_errors
    from benchmarks.harness.memory import intake_limits, measure_peak
    from benchmarks.harness.tables import memory_table

    found = []
    with told_errors(), broker_at(broker) as servers:
        for number in numbers(behind):
            _say(f"{number:,} records behind")
            found.append(measure_peak(servers, number, partitions, seconds))
    _print(found, memory_table(found), as_json)
    records, size = intake_limits()
    _say(f"intake: at most {records:,} records and {size / 1e6:,.0f} MB of each partition")


@app.command()
def metrics(
    broker: BrokerOption = "kafka",
    records: Annotated[int, typer.Option(min=1000, help="Of each run.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each runs.")] = 5,
    partitions: PartitionsOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Report what the metrics cost in CPU time per record (workload a, one process)."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import num_records, told_errors
    from benchmarks.harness.price import metrics_price
    from benchmarks.harness.tables import price_table

    count = num_records(broker, "a", records)
    with told_errors(), broker_at(broker) as servers:
        found = [metrics_price(servers, count, rounds, partitions, _say)]
    _print(found, price_table(found), as_json)


@app.command()
def startup(
    broker: BrokerOption = "kafka",
    rounds: Annotated[int, typer.Option(min=1, help="Times that a worker starts.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Report the seconds from a worker's start to its first result (one sensor agent)."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.asked import told_errors
    from benchmarks.harness.startup import measure_startup, medians
    from benchmarks.harness.tables import startup_table

    with told_errors(), broker_at(broker) as servers:
        starts = [measure_startup(servers) for _ in range(rounds)]
    _print([medians(starts)], startup_table(medians(starts)), as_json)


@app.command()
def gpu(
    broker: BrokerOption = "kafka",
    workload: Annotated[str, typer.Option(help="b or c.")] = "b",
    records: Annotated[int, typer.Option(min=1000, help="To load.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times that the engine runs.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Compare the rate through the engine with the model's own. Needs a CUDA device."""
    from agents.commands.cluster import broker_at
    from benchmarks.harness.gpu import Through, offline_rate
    from benchmarks.harness.outcomes import summarise
    from benchmarks.harness.stream import Plan, StreamBench
    from benchmarks.harness.tables import gpu_table
    from benchmarks.harness.workloads import WORKLOADS

    if workload not in ("b", "c"):
        raise UserError(f"--workload {workload}: expected b or c, whose models use a GPU")
    device = _cuda_device()
    with broker_at(broker) as servers:
        bench = StreamBench(Plan(servers, workload, records, rounds, 4, ["penstock"]), _say)
        summaries = summarise(bench.run())
    if not summaries:
        raise UserError("no run was verified: see above")
    engine = summaries[0].median
    size, offline = offline_rate(workload, WORKLOADS[workload].make_input(1000, 4), "cuda:0")
    found = [Through(workload, device, size, offline, engine, engine / offline)]
    _print(found, gpu_table(found), as_json)


def _cuda_device() -> str:
    import torch

    if not torch.cuda.is_available():
        raise UserError("torch sees no CUDA device here: run this bench on a machine with one")
    return torch.cuda.get_device_name(0)


def _say(line: str) -> None:
    # On stderr: what is measured goes to stdout alone.
    print(line, file=sys.stderr, flush=True)


def _print(found: Sequence[Any], table: tuple[list[str], list[list[str]]], as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(found))
    else:
        print_table(*table)
