"""`penstock bench speech`: many streams of sound in real time, through the recognizer's agent."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME

from agents.commands import PENSTOCK
from benchmarks.harness.load_run import warm_up_broker
from benchmarks.harness.penstock import penstock_by
from benchmarks.harness.processes import cpu_seconds_of, rss_bytes_of
from benchmarks.harness.running import Job, PreparedContender, RunError, Running, running
from benchmarks.harness.sound import SoundPlan, SoundSender
from benchmarks.harness.topics import (
    EndOffsets,
    create_bench_topics,
    is_embedded,
    num_partitions,
    read_all,
    remove_topics,
)
from schemas import Origin

AGENT = "transcribe_speech"
_LOG_APPEND_TIME = {"message.timestamp.type": "LogAppendTime"}
_START_SECONDS, _DRAIN_SECONDS, _POLL_SECONDS = 180.0, 10.0, 0.2


class SpeechAges(msgspec.Struct, frozen=True):
    """Ages of transcripts under a load of streams."""

    streams: int
    chunk_ms: int
    chunks: int
    """That were measured: those after the warm-up."""
    answered: int
    """Of them, within ten seconds of the last one."""
    p50_ms: float
    """From a chunk's arrival on the input topic to its first transcript on the output topic."""
    p95_ms: float
    max_ms: float
    sent_late_p95_ms: float
    """From the time at which a chunk was due to its arrival."""
    worker_cpu_share: float
    """Of one core: 1.0 is a core in full use."""
    worker_rss_bytes: int
    is_log_append_time: bool


class _Value(msgspec.Struct):
    origin: Origin


def measure_speech(
    servers: str, model: dict[str, Any], plan: SoundPlan, partitions: int
) -> SpeechAges:
    """Run the agent under a load of streams, each as fast as it would be heard.

    Args:
        servers: of the broker.
        model: of the agent, as in a pipeline file.
        plan: the streams.
        partitions: of both topics.

    Raises:
        RunError: the worker ended, or did not start.
    """
    name = f"bench-speech-{time.time_ns()}"
    topics = [name, f"{name}.results", f"{name}.dlq"]
    create_bench_topics(servers, topics, partitions, _LOG_APPEND_TIME)
    partitions = num_partitions(servers, name)
    if not is_embedded(servers):
        warm_up_broker(servers)
    sender = SoundSender(servers, name, partitions, plan)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        job = Job(servers, topics[0], topics[1], name, "speech", partitions, folder)
        with (
            closing(EndOffsets(servers, job.output, partitions)) as results,
            running(_worker(job, model), job) as run,
        ):
            sender.prime()
            _await_start(run, results, partitions)
            sender.send(plan.warm_up_seconds)
            began, used = time.monotonic(), cpu_seconds_of(run.pid)
            sender.send(plan.warm_up_seconds + plan.seconds)
            share = (cpu_seconds_of(run.pid) - used) / (time.monotonic() - began)
            rss_bytes = rss_bytes_of(run.pid)
            _await_quiet(run, results)
        ages = _ages(job, sender, share, rss_bytes)
    remove_topics(servers, topics)
    return ages


def _worker(job: Job, model: dict[str, Any]) -> PreparedContender:
    """Return a worker of the agent as it is shipped, on the bench's topics."""
    settings = {
        "kafka": {"bootstrap.servers": job.bootstrap_servers, "group.id": job.group},
        "agents": {AGENT: {"input": job.input, "output": job.output, "model": model}},
        "state": {"store": str(Path(job.folder) / "state")},
        "metrics": {"port": 0},
    }
    config = Path(job.folder) / "penstock.yaml"
    config.write_text(yaml.safe_dump(settings, sort_keys=False))
    prepared = penstock_by(PENSTOCK, 1, "WARNING")
    command = [*PENSTOCK, "worker", "-c", str(config), "--log-level", "WARNING"]
    return PreparedContender(prepared.version, lambda _: command, prepared.environment)


def _await_start(run: Running, results: EndOffsets, count: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while results.total() < count:
        if not run.is_alive or time.monotonic() > deadline:
            raise RunError(f"it did not answer the first chunks: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _await_quiet(run: Running, results: EndOffsets) -> None:
    """Wait until a second brings no more results, ten seconds at most."""
    deadline, count, moved_at = time.monotonic() + _DRAIN_SECONDS, -1, time.monotonic()
    while time.monotonic() < min(deadline, moved_at + 1.0):
        if not run.is_alive:
            raise RunError(f"it ended under the load: {run.last_lines()}")
        if (total := results.total()) != count:
            count, moved_at = total, time.monotonic()
        time.sleep(_POLL_SECONDS)


def _ages(job: Job, sender: SoundSender, share: float, rss_bytes: int) -> SpeechAges:
    """Read both topics: a chunk's age is that of the first of its transcripts."""
    plan, kinds = sender.plan, set[int]()
    arrived: dict[tuple[int, int], float] = {}
    late: list[float] = []
    for message in read_all(job.bootstrap_servers, job.input, job.partitions):
        place = (message.partition() or 0, message.offset() or 0)
        due = sender.due_ms[place[0]][place[1]]
        kind, time_ms = message.timestamp()
        kinds.add(kind)
        if due >= sender.first_measured_ms():
            arrived[place] = time_ms
            late.append(time_ms - due)
    answered: dict[tuple[int, int], float] = {}
    decode = msgspec.json.Decoder(_Value).decode
    for message in read_all(job.bootstrap_servers, job.output, job.partitions):
        origin = decode(message.value() or b"").origin
        place = (origin.partition, origin.offset)
        kind, time_ms = message.timestamp()
        kinds.add(kind)
        if place in arrived:
            answered.setdefault(place, time_ms - arrived[place])
    if not answered:
        raise RunError("no chunk was answered after the warm-up: is --seconds too short?")
    p50, p95, highest = np.quantile(list(answered.values()), [0.5, 0.95, 1.0]).tolist()
    return SpeechAges(
        streams=plan.streams,
        chunk_ms=plan.chunk_ms,
        chunks=len(arrived),
        answered=len(answered),
        p50_ms=p50,
        p95_ms=p95,
        max_ms=highest,
        sent_late_p95_ms=float(np.quantile(late, 0.95)),
        worker_cpu_share=share,
        worker_rss_bytes=rss_bytes,
        is_log_append_time=kinds == {TIMESTAMP_LOG_APPEND_TIME},
    )


def speech_table(results: list[SpeechAges]) -> tuple[list[str], list[list[str]]]:
    """Return a row for each number of streams."""
    columns = ["streams", "chunks", "answered", "p50 ms", "p95 ms", "max ms", "sent late p95",
               "worker CPU", "worker MB"]  # fmt: skip
    return columns, [
        [str(r.streams), f"{r.chunks:,} of {r.chunk_ms} ms", f"{r.answered:,}",
         f"{r.p50_ms:.0f}", f"{r.p95_ms:.0f}", f"{r.max_ms:.0f}", f"{r.sent_late_p95_ms:.0f}",
         f"{r.worker_cpu_share:.0%} of a core", f"{r.worker_rss_bytes / 1e6:,.0f}"]
        for r in results
    ]  # fmt: skip
