"""The commands of `penstock bench` that measure Penstock alone."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
import yaml

from agents.commands.cluster import broker_at
from agents.commands.terminal import JsonOption
from agents.errors import UserError
from benchmarks.harness.options import (
    BrokerOption,
    PartitionsOption,
    errors_for_users,
    num_records,
    parse_numbers,
    print_results,
    report,
    report_clocks,
)


def register(app: typer.Typer) -> None:
    """Add the commands to the group `penstock bench`."""
    for command in (
        mix,
        idle,
        scale,
        memory,
        metrics,
        alerts,
        startup,
        decode,
        photos,
        models,
        encode,
        plan,
        speech,
    ):
        app.command()(command)


def mix(
    broker: BrokerOption = "kafka",
    agents: Annotated[
        str, typer.Option(help="Of examples/penstock.yaml, separated by commas.")
    ] = "",
    partitions: Annotated[int, typer.Option(min=1, help="Of each agent's input.")] = 4,
    processes: Annotated[int, typer.Option(min=1, help="Of the worker.")] = 1,
    seconds: Annotated[float, typer.Option(min=1, help="Measured.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before that.")] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the ages of the example file's agents together, under a steady mixed load.

    10 frames, 20 texts, 300 readings and 300 behavior events a second, as single records.
    """
    from benchmarks.harness.example_pipeline import example_agents
    from benchmarks.harness.mix import measure_mix
    from benchmarks.harness.tables import mix_table

    names = [name.strip() for name in agents.split(",")] if agents else example_agents()
    with errors_for_users(), broker_at(broker) as servers:
        results = measure_mix(servers, names, partitions, processes, seconds, warm_up)
    print_results(results, mix_table(results), as_json)
    report_clocks([result.is_log_append_time for result in results])


def idle(
    broker: BrokerOption = "kafka",
    partitions: Annotated[
        int, typer.Option(min=1, help="Of the single agent; the four agents have 4 each.")
    ] = 200,
    seconds: Annotated[float, typer.Option(min=1, help="Measured, for each worker.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Measure an idle worker: CPU share, start-up and memory, with 4 agents and with one."""
    from benchmarks.harness.example_pipeline import example_agents
    from benchmarks.harness.idle import measure_idle
    from benchmarks.harness.tables import idle_table

    results = []
    with errors_for_users(), broker_at(broker) as servers:
        for agents, of_each in ((example_agents(), 4), (["score_anomalies"], partitions)):
            report(f"{len(agents)} agents with {of_each} partitions each")
            results.append(measure_idle(servers, agents, of_each, seconds))
    print_results(results, idle_table(results), as_json)


def scale(
    broker: BrokerOption = "kafka",
    workers: Annotated[str, typer.Option(help="Numbers separated by commas.")] = "1,2,4,8",
    partitions: PartitionsOption = 16,
    records_each: Annotated[int, typer.Option(min=1000, help="To load for each worker.")] = 500_000,
    as_json: JsonOption = False,
) -> None:
    """Measure the rate with 1, 2, 4 ... worker processes (workload d). Needs Apache Kafka."""
    from benchmarks.harness.scale import Scaled, measure_scale
    from benchmarks.harness.tables import scale_table

    if broker == "embedded":
        raise UserError(
            "--broker embedded keeps too few records and does not describe groups: "
            "use --broker kafka"
        )
    results: list[Scaled] = []
    with errors_for_users(), broker_at(broker) as servers:
        for number in parse_numbers(workers):
            report(f"{number} workers")
            rate = measure_scale(servers, number, partitions, records_each)
            first = results[0].records_per_second if results else rate
            results.append(Scaled(number, number * records_each, rate, rate / first))
    print_results(results, scale_table(results), as_json)


def memory(
    broker: BrokerOption = "kafka",
    behind: Annotated[
        str, typer.Option(help="Records, separated by commas.")
    ] = "10000,100000,1000000",
    partitions: PartitionsOption = 4,
    seconds: Annotated[float, typer.Option(min=1, help="How long the worker works.")] = 15.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the peak memory of a worker for several sizes of its backlog (workload d)."""
    from benchmarks.harness.memory import intake_limits, measure_peak
    from benchmarks.harness.tables import memory_table

    results = []
    with errors_for_users(), broker_at(broker) as servers:
        for number in parse_numbers(behind):
            report(f"{number:,} records behind")
            results.append(measure_peak(servers, number, partitions, seconds))
    print_results(results, memory_table(results), as_json)
    records, size = intake_limits()
    report(f"intake: at most {records:,} records and {size / 1e6:,.0f} MB of each partition")


def metrics(
    broker: BrokerOption = "kafka",
    records: Annotated[int, typer.Option(min=1000, help="Of each run.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Number of runs.")] = 5,
    partitions: PartitionsOption = 4,
    rates: Annotated[
        str, typer.Option(help="Live instead: records a second, separated by commas.")
    ] = "",
    seconds: Annotated[float, typer.Option(min=1, help="Of each live run.")] = 12.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the metrics' share of the CPU time per record (workload a, one process)."""
    from benchmarks.harness.metrics_overhead import measure_live_overhead, measure_metrics_overhead
    from benchmarks.harness.tables import metrics_table

    live = parse_numbers(rates) if rates else []
    count = num_records(broker, "a", records)
    with errors_for_users(), broker_at(broker) as servers:
        if live:
            results = [
                measure_live_overhead(servers, rate, seconds, rounds, partitions, report)
                for rate in live
            ]
        else:
            results = [measure_metrics_overhead(servers, count, rounds, partitions, report)]
    print_results(results, metrics_table(results), as_json)


def alerts(broker: BrokerOption = "kafka", as_json: JsonOption = False) -> None:
    """Measure the seconds from a fault in a worker to the notice, and from the mend to its end.

    With real Prometheus and Alertmanager (`make tools`), and the rules and intervals of deploy/.
    """
    from benchmarks.harness.alerts import measure_alerts

    with errors_for_users(), broker_at(broker) as servers:
        results = measure_alerts(servers, report)
    columns = ["fault", "alert", "to the notice s", "from the mend to its end s"]
    rows = [
        [t.fault, t.alert, f"{t.seconds_to_firing:.1f}", f"{t.seconds_to_resolved:.1f}"]
        for t in results
    ]
    print_results(results, (columns, rows), as_json)


def startup(
    broker: BrokerOption = "kafka",
    rounds: Annotated[int, typer.Option(min=1, help="Times that a worker starts.")] = 5,
    as_json: JsonOption = False,
) -> None:
    """Measure the seconds from a worker's start to its first result (one sensor agent)."""
    from benchmarks.harness.startup import measure_startup, medians
    from benchmarks.harness.tables import startup_table

    with errors_for_users(), broker_at(broker) as servers:
        starts = [measure_startup(servers) for _ in range(rounds)]
    print_results([medians(starts)], startup_table(medians(starts)), as_json)


def decode(
    rounds: Annotated[int, typer.Option(min=1, help="Times that each form is decoded.")] = 200,
    as_json: JsonOption = False,
) -> None:
    """Measure the CPU time of decoding: mapped JSON and envelopes beside plain JSON.

    No broker is needed: the records of one fetch go through an agent's decoder, as in a worker.
    """
    from benchmarks.harness.decode import measure_decoding, rows_of

    costs = measure_decoding(rounds)
    columns = ["form", "CPU µs a record", "lowest", "more than plain JSON"]
    print_results(costs, (columns, rows_of(costs)), as_json)


def photos(
    data: Annotated[Path, typer.Option(help="A folder with detector_fastestdet and coco_photos.")],
    threads: Annotated[int, typer.Option(min=1, help="Cores that every way may use.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each way runs.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Measure photos per second: batches of onnx_detector beside a loop over single photos.

    No broker is needed. All ways run FastestDet and must give the same boxes.
    """
    from benchmarks.harness.photos import measure_photos, rows_of

    rates = measure_photos(data, threads, rounds)
    columns = ["way", "photos/s", "highest", "CPU ms a photo", "batches are faster by"]
    print_results(rates, (columns, rows_of(rates)), as_json)


def models(
    model: Annotated[
        str, typer.Option(help="Online models, separated by commas.")
    ] = "robust_zscore,half_space_trees,seasonal_likelihood,isolation_forest,online_kmeans,"
    "denstream,clustream,dbstream,recommender",
    records: Annotated[int, typer.Option(min=1000, help="Of each model.")] = 200_000,
    sources: Annotated[int, typer.Option(min=1, help="Sensors, or users.")] = 10_000,
    channels: Annotated[int, typer.Option(min=1, help="Numbers in a record.")] = 8,
    partitions: Annotated[int, typer.Option(min=1, help="With a model each.")] = 16,
    batch: Annotated[
        str, typer.Option(help="The smallest and the largest micro-batch, in records.")
    ] = "10,200",
    option: Annotated[
        list[str] | None, typer.Option(help="Of the models, such as learn_every=256; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the CPU time of online models' calls from a cold start, without Kafka.

    Micro-batches of random sizes mix all partitions, as those of a live stream do.
    """
    from benchmarks.harness.model_calls import MODELS, CallsPlan, measure_calls
    from benchmarks.harness.tables import calls_table

    sizes = parse_numbers(batch)
    if len(sizes) != 2 or sizes[0] > sizes[1]:
        raise UserError(f"--batch {batch}: expected two numbers such as 10,200")
    names = [name.strip() for name in model.split(",")]
    for name in names:
        if name not in MODELS:
            raise UserError(f"--model {name}: expected one of {', '.join(MODELS)}")
    size, options = (sizes[0], sizes[1]), _model_options(option or [])
    results = [
        measure_calls(CallsPlan(name, sources, channels, partitions, size, records, options))
        for name in names
    ]
    print_results(results, calls_table(results), as_json)


def _model_options(texts: list[str]) -> dict[str, Any]:
    """Return options given as NAME=VALUE, with values as in YAML."""
    for text in texts:
        if "=" not in text:
            raise UserError(f"--option {text}: expected NAME=VALUE, such as learn_every=256")
    return {name: yaml.safe_load(value) for name, _, value in (t.partition("=") for t in texts)}


def encode(
    data: Annotated[
        Path,
        typer.Option(exists=True, dir_okay=False, help="JSON lines with the field text, or .gz."),
    ],
    texts: Annotated[int, typer.Option(min=1, help="The most texts to encode.")] = 4000,
    threads: Annotated[int, typer.Option(min=1, help="Of each process.")] = 2,
    rounds: Annotated[int, typer.Option(min=1, help="Times that each runs.")] = 3,
    onnx: Annotated[bool, typer.Option(help="Also Penstock with an ONNX file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the rate of MiniLM's sentence vectors, beside sentence-transformers at its best.

    No broker is needed. The texts come in a fixed order that mixes their kinds.
    """
    from benchmarks.harness.encode import encode_table, encoders, measure_encoding, read_texts

    with errors_for_users(), TemporaryDirectory() as name:
        folder = Path(name)
        chosen = read_texts(data, texts)
        results, reason = measure_encoding(chosen, folder, threads, rounds, encoders(folder, onnx))
    print_results(results, encode_table(results), as_json)
    report(f"{len(chosen)} texts, {threads} threads, load of the machine {os.getloadavg()[0]:.1f}")
    if reason:
        report(f"sentence-transformers is not available: {reason}")


def plan(
    broker: BrokerOption = "kafka",
    shares: Annotated[
        str, typer.Option(help="Percent of the stub's highest rate, separated by commas.")
    ] = "20,50,75",
    seconds: Annotated[float, typer.Option(min=1, help="How long to send, at each.")] = 15.0,
    records: Annotated[
        int, typer.Option(min=0, help="Of the backlog that shows the capacity; 0: none.")
    ] = 200_000,
    as_json: JsonOption = False,
) -> None:
    """Compare what `penstock plan` predicts with a real worker: ages, batches, capacity."""
    from benchmarks.harness.contenders import CONTENDERS
    from benchmarks.harness.planned import SERVICE, compare, plan_table
    from benchmarks.harness.stream import Plan, StreamBench

    results = []
    with errors_for_users(), broker_at(broker) as servers:
        prepared = CONTENDERS["penstock"].prepare("d")
        for share in parse_numbers(shares):
            report(f"{share} % for {seconds:g} s")
            results.append(compare(servers, prepared, share / 100, seconds))
        print_results(results, plan_table(results), as_json)
        if records:
            outcomes = StreamBench(Plan(servers, "d", records, 1, 4, ["penstock"]), report).run()
            for outcome in outcomes:
                report(
                    f"capacity: predicted {SERVICE.capacity:,.0f}/s, "
                    f"measured {outcome.records_per_second:,.0f}/s"
                )


def speech(
    broker: BrokerOption = "kafka",
    streams: Annotated[str, typer.Option(help="At a time, separated by commas.")] = "50",
    path: Annotated[str, typer.Option(help="Folder of a recognizer; empty: the shipped one.")] = "",
    chunk_ms: Annotated[int, typer.Option(min=20, help="Length of a chunk.")] = 320,
    partitions: PartitionsOption = 4,
    seconds: Annotated[float, typer.Option(min=1, help="Measured.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds before that.")] = 5.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the ages of transcripts: streams of speech in real time through the recognizer.

    The speech is that of `penstock eval speech`, by programs (.ci/speech-voices). Each stream sends
    a chunk when it would have been recorded; a transcript's age counts from its chunk's arrival.
    """
    from benchmarks.harness.sound import SoundPlan, spoken_recording
    from benchmarks.harness.speech import measure_speech, speech_table

    counts = parse_numbers(streams)
    model = {"name": "speech_recognizer", "options": {"path": path} if path else {}}
    recording = spoken_recording()
    plans = [SoundPlan(recording, count, chunk_ms, warm_up, seconds) for count in counts]
    with errors_for_users(), broker_at(broker) as servers:
        results = [measure_speech(servers, model, plan, partitions) for plan in plans]
    print_results(results, speech_table(results), as_json)
    report_clocks([result.is_log_append_time for result in results])
