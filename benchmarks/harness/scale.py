"""`penstock bench scale`: workload `d` with `penstock worker --processes` 1, 2, 4 ...

The stub sleeps, so a few cores suffice for many processes. Each number of processes gets a loaded
topic. The rate is taken from the moment when the group is stable with every process in it until
four fifths of the records are answered: start-up and the uneven end don't count.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing

import msgspec
from confluent_kafka import ConsumerGroupState, KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.harness.inputs import load
from benchmarks.harness.penstock import penstock
from benchmarks.harness.readings import Readings
from benchmarks.harness.running import Job, RunError, Running, running
from benchmarks.harness.topics import EndOffsets, create_bench_topics, remove_topics

_COUNTED_SHARE = 0.8
_START_SECONDS, _STUCK_SECONDS, _POLL_SECONDS = 120.0, 120.0, 0.05


class Scaled(msgspec.Struct, frozen=True):
    """The rate of one number of worker processes."""

    workers: int
    records: int
    records_per_second: float
    ratio: float
    """To the first rate measured: that of the fewest workers, usually one."""


def measure_scale(servers: str, workers: int, partitions: int, records_each: int) -> float:
    """Return the records a second that a number of worker processes answer.

    Args:
        servers: of an Apache Kafka: the embedded broker does not describe groups.
        workers: processes of one `penstock worker`.
        partitions: of the input; a multiple of `workers` is shared evenly.
        records_each: to load for each worker: enough for some 20 seconds.

    Raises:
        RunError: a worker ended, or the group did not form.
    """
    count = workers * records_each
    name = f"bench-scale-{workers}-{time.time_ns()}"
    topics = [name, f"{name}-out", f"{name}.dlq"]
    load(servers, name, partitions, Readings(count, partitions))
    create_bench_topics(servers, topics[1:], partitions)
    worker = penstock(processes=workers)("d")
    with (
        closing(EndOffsets(servers, topics[1], partitions)) as ends,
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        running(worker, Job(servers, name, topics[1], name, "d", partitions, folder)) as run,
    ):
        _await_members(servers, name, run, workers)
        rate = _rate(ends, run, count)
    remove_topics(servers, topics)
    return rate


def _await_members(servers: str, group: str, run: Running, members: int) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    deadline = time.monotonic() + _START_SECONDS
    while not _is_formed(admin, group, members):
        _check(run)
        if time.monotonic() > deadline:
            raise RunError(f"{members} processes did not form a group: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _is_formed(admin: AdminClient, group: str, members: int) -> bool:
    try:
        description = admin.describe_consumer_groups([group])[group].result()
    except KafkaException:
        return False
    is_stable = description.state == ConsumerGroupState.STABLE
    return is_stable and len(description.members) == members


def _rate(ends: EndOffsets, run: Running, count: int) -> float:
    first, started = ends.total(), time.monotonic()
    if first >= _COUNTED_SHARE * count / 2:
        raise RunError("too few records: most were answered before the group had formed")
    while True:
        total, now = ends.total(), time.monotonic()
        if total >= _COUNTED_SHARE * count:
            return (total - first) / (now - started)
        _check(run)
        if now - started > _STUCK_SECONDS:
            raise RunError(f"stuck at {total} of {count}: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _check(run: Running) -> None:
    if not run.is_alive:
        raise RunError(f"it ended early: {run.last_lines()}")
