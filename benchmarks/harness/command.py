"""`penstock bench`: Penstock and its peers on the same work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agents.commands.cluster import broker_at
from agents.commands.terminal import JsonOption
from agents.errors import UserError
from benchmarks.harness import worker_commands
from benchmarks.harness.options import (
    BrokerOption,
    ContendersOption,
    PartitionsOption,
    check_workload,
    contender_names,
    errors_for_users,
    num_records,
    parse_numbers,
    print_results,
    report,
    report_clocks,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Measure Penstock and its peers on the same work.",
)
PlotOption = Annotated[Path | None, typer.Option(dir_okay=False, help="Draw into this file.")]


@app.callback()
def group() -> None:
    """Measure Penstock and its peers on the same work."""


@app.command()
def stream(
    broker: BrokerOption = "kafka",
    workload: Annotated[
        str, typer.Option(help="a, b, c, d, s or s-msgpack: see benchmarks/README.md.")
    ] = "a",
    records: Annotated[int, typer.Option(min=0, help="0: the workload's default.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each contender runs.")] = 3,
    contenders: ContendersOption = "",
    plot: PlotOption = None,
    partitions: PartitionsOption = 4,
    as_json: JsonOption = False,
) -> None:
    """Measure the rate on a backlog: each contender in turn, with all of its output checked.

    Without --contenders, all that do the workload run; their environments are built on first
    use. The exit code is 1 if a run failed or its output was wrong.
    """
    from benchmarks.harness.outcomes import summarize
    from benchmarks.harness.plot import draw_medians
    from benchmarks.harness.stream import Plan, StreamBench
    from benchmarks.harness.tables import stream_table
    from benchmarks.harness.workloads import WORKLOADS

    check_workload(workload)
    names = contender_names(contenders, workload)
    count = num_records(broker, workload, records)
    with broker_at(broker) as servers:
        bench = StreamBench(Plan(servers, workload, count, rounds, partitions, names), report)
        outcomes = bench.run()
    print_results(outcomes, stream_table(outcomes, bench.unavailable), as_json)
    if plot is not None:
        draw_medians(summarize(outcomes), WORKLOADS[workload].title, plot)
    if bench.faults:
        raise typer.Exit(1)


@app.command()
def live(
    broker: BrokerOption = "kafka",
    rates: Annotated[
        str, typer.Option(help="Records a second, separated by commas.")
    ] = "100,300,1000,3000,10000,30000",
    partitions: Annotated[str, typer.Option(help="Numbers separated by commas.")] = "1,16,64",
    linger: Annotated[
        str, typer.Option(help="linger.ms of the producers, separated by commas.")
    ] = "0,5",
    seconds: Annotated[float, typer.Option(min=1, help="Measured, at each rate.")] = 20.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before that.")] = 5.0,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each runs at a rate.")] = 1,
    contenders: ContendersOption = "",
    model: Annotated[
        str, typer.Option(help="Of Penstock's agent: mean, robust_zscore or online_kmeans.")
    ] = "mean",
    arrivals: Annotated[str, typer.Option(help="poisson or even.")] = "poisson",
    plot: PlotOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure ages and CPU time at live rates: single records at their due times.

    The exit code is 1 if a run failed or its output was wrong; to fall behind is a result.
    """
    from benchmarks.harness.live import LiveBench, live_contenders
    from benchmarks.harness.live_run import MODELS, LivePlan
    from benchmarks.harness.live_summary import draw_ages, live_table, summarize_live, sustained

    if model not in MODELS:
        raise UserError(f"--model {model}: expected one of {', '.join(MODELS)}")
    if arrivals not in ("poisson", "even"):
        raise UserError(f"--arrivals {arrivals}: expected poisson or even")
    default = live_contenders() if model == "mean" else ["penstock"]
    names = contender_names(contenders, "live") if contenders else default
    numbers = (parse_numbers(rates), parse_numbers(partitions), parse_numbers(linger, lowest=0))
    with errors_for_users(), broker_at(broker) as servers:
        bench = LiveBench(
            LivePlan(servers, names, model, *numbers, seconds, warm_up, rounds, arrivals), report
        )
        results = bench.run()
    summaries = summarize_live(results)
    print_results(results, live_table(summaries, bench.unavailable), as_json)
    report_clocks([result.is_log_append_time for result in results])
    for line in sustained(summaries):
        report(line)
    if plot is not None:
        draw_ages(summaries, plot)
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
    """Measure the age of answers under Poisson arrivals and bursts, with a slow model (d)."""
    from benchmarks.harness.contenders import CONTENDERS
    from benchmarks.harness.latency import ARRIVALS, measure_ages
    from benchmarks.harness.tables import latency_table

    results = []
    with errors_for_users(), broker_at(broker) as servers:
        for name in contender_names(contenders, "d"):
            prepared = CONTENDERS[name].prepare("d")
            for arrivals in ARRIVALS:
                report(f"{name}: {arrivals} at {share:.0%} for {seconds:g} s")
                results.append(measure_ages(servers, name, prepared, arrivals, share, seconds))
    print_results(results, latency_table(results), as_json)


@app.command()
def gpu(
    broker: BrokerOption = "kafka",
    workload: Annotated[str, typer.Option(help="b or c.")] = "b",
    records: Annotated[int, typer.Option(min=1000, help="To load.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="Times that the engine runs.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Compare the engine's rate with that of its model alone on a GPU. Needs a CUDA device."""
    from benchmarks.harness.gpu import GpuResult, offline_rate
    from benchmarks.harness.outcomes import summarize
    from benchmarks.harness.stream import Plan, StreamBench
    from benchmarks.harness.tables import gpu_table
    from benchmarks.harness.workloads import WORKLOADS

    if workload not in ("b", "c"):
        raise UserError(f"--workload {workload}: expected b or c, whose models use a GPU")
    device = _cuda_device()
    with broker_at(broker) as servers:
        bench = StreamBench(Plan(servers, workload, records, rounds, 4, ["penstock"]), report)
        summaries = summarize(bench.run())
    if not summaries:
        raise UserError("no run was verified: see above")
    engine = summaries[0].median
    size, offline = offline_rate(workload, WORKLOADS[workload].make_input(1000, 4), "cuda:0")
    results = [GpuResult(workload, device, size, offline, engine, engine / offline)]
    print_results(results, gpu_table(results), as_json)


def _cuda_device() -> str:
    import torch

    if not torch.cuda.is_available():
        raise UserError("torch sees no CUDA device: run this bench on a machine with one")
    return torch.cuda.get_device_name(0)


worker_commands.register(app)
