"""`penstock bench mix`: the example file's agents in one worker, under a steady mixed load."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.harness.ages import AppendTimes, ages_ms, rate_of, summarize_ages
from benchmarks.harness.example_pipeline import ExamplePipeline
from benchmarks.harness.live_records import LiveRecords
from benchmarks.harness.load_run import LoadRun, run_under_load, warm_up_broker
from benchmarks.harness.running import RunError
from benchmarks.harness.sender import SendPlan, Stream
from benchmarks.harness.topics import is_embedded, read_all, remove_topics
from schemas import Origin

#: Agent -> the kind of its records, their number of sources and their rate a second.
LOADS = {
    "detect_objects": ("frames", 4, 10.0),
    "understand_text": ("texts", 64, 20.0),
    "score_anomalies": ("sensors", 64, 300.0),
    "cluster_behavior": ("behavior", 64, 300.0),
}


class MixResult(msgspec.Struct, frozen=True):
    """One agent's ages in a mixed load; the CPU share and the memory are the whole worker's."""

    agent: str
    partitions: int
    rate: float
    """Records a second that were to be sent."""
    offered_per_second: float
    sender_late_p99_ms: float
    records: int
    answered: int
    p50_ms: float
    """From topic to topic."""
    p99_ms: float
    max_ms: float
    worker_cpu_share: float
    """Of one core: 1.0 is a core in full use."""
    worker_rss_bytes: int
    is_log_append_time: bool


class _Value(msgspec.Struct):
    origin: Origin


def measure_mix(
    servers: str,
    agents: Sequence[str],
    partitions: int,
    processes: int,
    seconds: float,
    warm_up_seconds: float,
) -> list[MixResult]:
    """Run the agents in one worker under their loads and return the ages of each.

    Raises:
        UserError: the example file has no such agent.
        RunError: the worker ended, or a record was answered twice.
    """
    name = f"bench-mix-{time.time_ns()}"
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        pipeline = ExamplePipeline(servers, name, agents, partitions, Path(folder))
        pipeline.create()
        plan = _send_plan(pipeline, seconds, warm_up_seconds)
        outputs = [(topic, pipeline.partitions_of(topic)) for topic in map(pipeline.output, agents)]
        if not is_embedded(servers):
            warm_up_broker(servers)
        run = run_under_load(pipeline.worker(processes), pipeline.job(), plan, outputs)
        results = [_result(pipeline, plan, number, run) for number in range(len(agents))]
    remove_topics(servers, pipeline.topics)
    return results


def _send_plan(pipeline: ExamplePipeline, seconds: float, warm_up_seconds: float) -> SendPlan:
    streams = []
    for agent in pipeline.agents:
        kind, sources, rate = LOADS[agent]
        topic = pipeline.input(agent)
        streams.append(Stream(topic, pipeline.partitions_of(topic), kind, sources, rate))
    return SendPlan(pipeline.servers, streams, "poisson", warm_up_seconds, seconds, linger_ms=0)


def _result(pipeline: ExamplePipeline, plan: SendPlan, number: int, run: LoadRun) -> MixResult:
    agent, stream = pipeline.agents[number], plan.streams[number]
    records = LiveRecords(plan, number, run.report)
    inputs = AppendTimes(records.num_records, stream.partitions)
    inputs.add_all(read_all(plan.servers, stream.topic, stream.partitions))
    outputs = _answers(pipeline, agent, records)
    ages = ages_ms(inputs, outputs, records.first_measured)
    summary = summarize_ages(ages)
    return MixResult(
        agent=agent,
        partitions=stream.partitions,
        rate=stream.rate,
        offered_per_second=rate_of(inputs.times_ms[records.first_measured :]),
        sender_late_p99_ms=run.report.late_p99_ms,
        records=records.num_measured,
        answered=len(ages),
        p50_ms=summary.p50_ms,
        p99_ms=summary.p99_ms,
        max_ms=summary.max_ms,
        worker_cpu_share=run.cpu_seconds / run.seconds,
        worker_rss_bytes=run.rss_bytes,
        is_log_append_time=inputs.is_log_append_time and outputs.is_log_append_time,
    )


def _answers(pipeline: ExamplePipeline, agent: str, records: LiveRecords) -> AppendTimes:
    """Read an agent's results and return when each record was answered."""
    decode = msgspec.json.Decoder(_Value).decode
    outputs = AppendTimes(records.num_records, records.partitions)
    topic = pipeline.output(agent)
    for message in read_all(pipeline.servers, topic, pipeline.partitions_of(topic)):
        origin = decode(message.value() or b"").origin
        index = origin.offset * records.partitions + origin.partition
        if outputs.times_ms[index] >= 0:
            raise RunError(f"{agent} answered {origin} twice")
        outputs.add(index, message)
    return outputs
