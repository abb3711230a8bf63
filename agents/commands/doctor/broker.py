"""Look at the broker: topics, partitions, permissions, sizes, retention, clocks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from agents.commands.doctor.finding import Finding
from agents.commands.lag.reading import LagReader
from agents.commands.lag.report import oldest_seconds
from agents.pipeline.topics import PlannedTopic, guarantee_problem, plan_topics
from streams.dead_letters import MAX_BYTES
from streams.kafka.admin import (
    ClusterInfo,
    allowed_operations,
    newest_timestamps_ms,
    probe,
    topic_configs,
)
from streams.kafka.errors import BrokerError
from streams.settings import PipelineSettings

#: Of a topic's role: what its user must be allowed.
_NEEDED = {"input": ("READ",), "state": ("READ", "WRITE")}
#: A batch of records has some bytes beside its values.
_OVERHEAD_BYTES = 1_000
#: A share of the retention after which what waits is in danger.
_NEAR, _AT_ONCE = 0.5, 0.9
_SKEW_SECONDS = 5.0


def look_at_broker(
    settings: PipelineSettings, learning: Sequence[str], num_workers: int | None, timeout: float
) -> Iterator[Finding]:
    """Yield what is found at the broker.

    Args:
        settings: of the pipeline.
        learning: the agents whose models learn.
        num_workers: how many worker processes there are to be; None: not known.
        timeout: seconds for each request.
    """
    started = time.monotonic()
    try:
        cluster = probe(settings.kafka, timeout)
    except (BrokerError, ValueError) as error:
        yield Finding("broker", "problem", str(error), "mend this first: the rest needs the broker")
        return
    seconds = time.monotonic() - started
    yield Finding("broker", "ok", f"{cluster.num_brokers} brokers, answered in {seconds:.2f} s")
    if problem := guarantee_problem(settings, cluster):
        yield Finding("guarantee", "problem", problem, "change guarantee, or the broker")
    plan = plan_topics(settings, cluster.topics, learning)
    yield from _topics(plan, cluster)
    there = [planned for planned in plan if planned.partitions]
    if not there:
        return
    yield from _partitions(settings, there, num_workers)
    configs = topic_configs(settings.kafka, [p.topic for p in there], timeout)
    yield from _sizes(settings, there, configs)
    yield from _permissions(settings, there, timeout)
    yield from _retention(settings, configs, timeout)
    yield from _clock(settings, there, timeout)


def _topics(plan: Sequence[PlannedTopic], cluster: ClusterInfo) -> Iterator[Finding]:
    absent = [planned.topic for planned in plan if not planned.partitions]
    if not absent:
        yield Finding("topics", "ok", f"all {len(plan)} are there")
    elif cluster.is_embedded:
        yield Finding("topics", "ok", "the embedded broker makes topics on first use")
    else:
        yield Finding(
            "topics", "problem", f"absent: {', '.join(absent)}",
            "penstock topics create (or ask for the right to describe them)",
        )  # fmt: skip


def _partitions(
    settings: PipelineSettings, there: Sequence[PlannedTopic], num_workers: int | None
) -> Iterator[Finding]:
    inputs = {p.topic: p.partitions for p in there if p.topic in settings.agents_by_input()}
    if not inputs:
        return
    most, what = max(inputs.values()), "partitions"
    counts = ", ".join(f"{topic} {number}" for topic, number in inputs.items())
    if num_workers is None:
        yield Finding(what, "ok", f"{counts}: at most {most} processes have work")
    elif num_workers > most:
        yield Finding(
            what, "warning", f"{counts}, and {num_workers} processes: {num_workers - most} will "
            "have no work", f"start {most}, or add partitions (docs/operations.md)",
        )  # fmt: skip
    elif any(number % num_workers for number in inputs.values()):
        yield Finding(
            what, "warning", f"{counts} do not divide by {num_workers} processes: some have more "
            "work than others", "choose a divisor of the partitions",
        )  # fmt: skip
    else:
        yield Finding(what, "ok", f"{counts}, for {num_workers} processes")


def _sizes(
    settings: PipelineSettings,
    there: Sequence[PlannedTopic],
    configs: Mapping[str, Mapping[str, str]],
) -> Iterator[Finding]:
    limits = {
        t: int(c["max.message.bytes"]) for t, c in configs.items() if "max.message.bytes" in c
    }
    if not limits:
        yield Finding("record sizes", "unknown", "the broker does not tell its topics' limits")
        return
    is_fine = True
    for name, agent in settings.agents.items():
        for topic in agent.inputs:
            if limits.get(topic, 0) > agent.max_record_bytes + _OVERHEAD_BYTES * 100:
                is_fine = False
                yield Finding(
                    f"record sizes of {topic}", "warning",
                    f"the topic takes {limits[topic]:,} bytes, agent {name} reads values up to "
                    f"{agent.max_record_bytes:,}: larger ones become dead letters",
                    f"raise agents.{name}.max_record_bytes, or lower max.message.bytes",
                )  # fmt: skip
    for planned in there:
        if planned.role != "input" and limits.get(planned.topic, MAX_BYTES * 2) < MAX_BYTES:
            is_fine = False
            yield Finding(
                f"record sizes of {planned.topic}", "problem",
                f"max.message.bytes is {limits[planned.topic]:,}: a result or dead letter may have "
                f"{MAX_BYTES:,} bytes, and the worker ends when one is refused",
                f"set max.message.bytes of {planned.topic} to {MAX_BYTES + 48_576} or more",
            )  # fmt: skip
    if is_fine:
        yield Finding("record sizes", "ok", "what one side writes, the other takes")


def _permissions(
    settings: PipelineSettings, there: Sequence[PlannedTopic], timeout: float
) -> Iterator[Finding]:
    allowed = allowed_operations(settings.kafka, [p.topic for p in there], timeout)
    if not allowed:
        yield Finding("permissions", "unknown", "the broker does not tell them")
        return
    lacks = [
        f"{operation} on {planned.topic}"
        for planned in there
        for operation in _NEEDED.get(planned.role, ("WRITE",))
        if planned.topic in allowed and operation not in allowed[planned.topic]
    ]
    if lacks:
        yield Finding(
            "permissions", "problem", f"this user lacks {', '.join(lacks)}",
            "grant them (docs/security.md lists all that a worker needs)",
        )  # fmt: skip
    else:
        yield Finding("permissions", "ok", f"reading and writing of {len(allowed)} topics")


def _retention(
    settings: PipelineSettings, configs: Mapping[str, Mapping[str, str]], timeout: float
) -> Iterator[Finding]:
    reader = LagReader(settings, timeout=timeout)
    try:
        report = reader.read()
    except BrokerError as error:
        yield Finding("lag", "unknown", str(error))
        return
    finally:
        reader.close()
    for topic in settings.agents_by_input():
        age = oldest_seconds([p for p in report.partitions if p.topic == topic])
        kept_ms = int(configs.get(topic, {}).get("retention.ms", "-1"))
        what = f"retention of {topic}"
        if age is None:
            yield Finding(what, "unknown", "the age of what waits is not known")
        elif kept_ms < 0 or age < _NEAR * kept_ms / 1000:
            kept = "for ever" if kept_ms < 0 else f"{kept_ms / 3.6e6:.1f} h"
            yield Finding(what, "ok", f"the oldest unread record is {age:.0f} s old, kept {kept}")
        else:
            is_near = age < _AT_ONCE * kept_ms / 1000
            yield Finding(
                what, "warning" if is_near else "problem",
                f"the oldest unread record is {age / 3600:.1f} h old, and records are removed "
                f"after {kept_ms / 3.6e6:.1f} h",
                "start workers, or lengthen retention.ms, before records are lost",
            )  # fmt: skip


def _clock(
    settings: PipelineSettings, there: Sequence[PlannedTopic], timeout: float
) -> Iterator[Finding]:
    """Compare this clock with the newest records' timestamps: nobody else tells the time."""
    topics = {p.topic: p.partitions for p in there if p.role == "input"}
    newest = newest_timestamps_ms(settings.kafka, topics, timeout)
    if not newest:
        yield Finding("clock", "unknown", "no input has a record whose time could be compared")
        return
    (topic, _), latest = max(newest.items(), key=lambda item: item[1])
    ahead = latest / 1000 - time.time()
    if ahead > _SKEW_SECONDS:
        yield Finding(
            "clock", "warning", f"the newest record of {topic} is {ahead:.0f} s in the future",
            "set this machine's clock, or the producer's, by NTP",
        )  # fmt: skip
    else:
        yield Finding(
            "clock", "ok", f"no record is in the future; the newest is {-ahead:.0f} s old"
        )
