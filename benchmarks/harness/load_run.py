"""Run a contender under a live load, which another process sends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import msgspec

from benchmarks.harness import BENCHMARKS
from benchmarks.harness.processes import cpu_seconds_of, rss_bytes_of
from benchmarks.harness.running import Job, PreparedContender, RunError, Running, running
from benchmarks.harness.sender import SendPlan, SendReport, Stream
from benchmarks.harness.topics import (
    EndOffsets,
    create_bench_topics,
    num_partitions,
    read_all,
    remove_topics,
)

_START_SECONDS = 120.0
#: A contender that has not answered everything so long after the last record has fallen behind.
DRAIN_SECONDS = 10.0
_POLL_SECONDS = 0.2
_BROKER_WARM_UP_RATE, _BROKER_WARM_UP_SECONDS = 3_000.0, 5.0


@dataclass(frozen=True)
class LoadRun:
    """A contender's run under a load; what it answered is still to be read from its output."""

    report: SendReport
    cpu_seconds: float
    """Of the contender, from the end of the warm-up until all was answered or given up."""
    seconds: float
    """The same time."""
    num_answered: int
    """Results that it wrote in that time."""
    kept_up: bool
    """Whether everything was answered within `DRAIN_SECONDS` of the last record."""
    rss_bytes: int
    """Resident memory at the end."""


def run_under_load(
    contender: PreparedContender, job: Job, plan: SendPlan, outputs: Sequence[tuple[str, int]]
) -> LoadRun:
    """Start a contender, send it the load, and stop it when all is answered or too late.

    Args:
        contender: to run.
        job: its topics.
        plan: what is sent.
        outputs: the topics of the results, one result a record, with their partitions.

    Raises:
        RunError: it ended, gave no results to the priming records, or the sender failed.
    """
    with (
        closing(_Results(plan.servers, outputs)) as results,
        running(contender, job) as run,
        _sender(plan) as sender,
    ):
        sender.await_line("primed")
        num_primers = sum(plan.num_primers(number) for number in range(len(plan.streams)))
        _await_start(run, results, num_primers)
        sender.start()
        sender.await_line("measuring")
        begin = _sample(run, results)
        report = sender.finish()
        num_records = num_primers + sum(len(plan.due_seconds(n)) for n in range(len(plan.streams)))
        kept_up = _await_drained(run, results, num_records)
        end, rss_bytes = _sample(run, results), rss_bytes_of(run.pid)
    return LoadRun(
        report,
        cpu_seconds=end.cpu_seconds - begin.cpu_seconds,
        seconds=end.at - begin.at,
        num_answered=end.num_results - begin.num_results,
        kept_up=kept_up,
        rss_bytes=rss_bytes,
    )


def warm_up_broker(servers: str) -> None:
    """Send a load to a broker and read it back: a JVM's first requests are slow.

    Raises:
        RunError: the sender failed.
    """
    topic = f"bench-warm-up-{time.time_ns()}"
    create_bench_topics(servers, [topic], 4)
    partitions = num_partitions(servers, topic)
    stream = Stream(topic, partitions, "readings", partitions, _BROKER_WARM_UP_RATE)
    with _sender(SendPlan(servers, [stream], "even", 0.0, _BROKER_WARM_UP_SECONDS, 0)) as sender:
        sender.await_line("primed")
        sender.start()
        sender.await_line("measuring")
        sender.finish()
    for _ in read_all(servers, topic, partitions):
        pass
    remove_topics(servers, [topic])


@dataclass(frozen=True)
class _Sample:
    at: float
    cpu_seconds: float
    num_results: int


class _Results:
    """Counts the results on one or several topics."""

    def __init__(self, servers: str, outputs: Sequence[tuple[str, int]]) -> None:
        self._ends = [EndOffsets(servers, topic, partitions) for topic, partitions in outputs]

    def count(self) -> int:
        return sum(ends.total() for ends in self._ends)

    def close(self) -> None:
        for ends in self._ends:
            ends.close()


def _sample(run: Running, results: _Results) -> _Sample:
    count = results.count()
    return _Sample(time.monotonic(), cpu_seconds_of(run.pid), count)


def _await_start(run: Running, results: _Results, count: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while (answered := results.count()) < count:
        if not run.is_alive or time.monotonic() > deadline:
            raise RunError(f"it answered {answered} of {count} first records: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _await_drained(run: Running, results: _Results, count: int) -> bool:
    deadline = time.monotonic() + DRAIN_SECONDS
    while results.count() < count:
        if not run.is_alive:
            raise RunError(f"it ended under the load: {run.last_lines()}")
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


class _SenderProcess:
    def __init__(self, plan: SendPlan) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.harness.sender", msgspec.json.encode(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)},
        )

    def await_line(self, expected: str) -> None:
        """Wait until it reports a step."""
        line = self._read_line()
        if msgspec.json.decode(line) != expected:
            raise RunError(f"the sender reported {line!r}: expected {expected!r}")

    def start(self) -> None:
        """Let the load begin."""
        assert self._process.stdin is not None
        print(file=self._process.stdin, flush=True)

    def finish(self) -> SendReport:
        """Wait until everything is sent; return the report."""
        return msgspec.json.decode(self._read_line(), type=SendReport)

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RunError("the sender failed: see its message above")
        return line

    def close(self) -> None:
        """End it; it may have ended already."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def _sender(plan: SendPlan) -> Iterator[_SenderProcess]:
    with closing(_SenderProcess(plan)) as sender:
        yield sender
