"""Run one contender: start it, watch its output from outside, take its rate, stop it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from agents.process.child import ChildProcess
from benchmarks.harness.processes import cpu_seconds_of, peak_rss_bytes_of, pids_of
from benchmarks.harness.topics import EndOffsets

_POLL_SECONDS = 0.05
#: Without a new result for so long a contender counts as stuck.
_STUCK_SECONDS = 60.0
_STOP_SECONDS = 30.0


class RunError(Exception):
    """A contender ended early or got stuck; the message has the last lines of its log."""


@dataclass(frozen=True)
class Job:
    """One run: what a contender reads from its command line (`benchmarks/workloads/job.py`)."""

    bootstrap_servers: str
    input: str
    output: str
    group: str
    workload: str
    partitions: int
    folder: str
    """A temporary folder of this run, for state, recovery stores and logs."""


@dataclass(frozen=True)
class PreparedContender:
    """A contender whose environment is built: it can be started."""

    version: str
    """Of the library that it stands for, read from the contender's environment."""
    command: Callable[[Job], list[str]]
    environment: Callable[[Job], Mapping[str, str]]


@dataclass(frozen=True)
class Measured:
    """The rate and the CPU time of a run, start-up left out."""

    seconds: float
    """From the first poll that saw output to the one that saw the last record."""
    records_per_second: float
    """Of the records that came out in those seconds."""
    cpu_seconds: float
    """User and system time of the process and its children, over their whole life."""
    cpu_microseconds_per_record: float
    """Over the same records and seconds as the rate: without start-up."""


class _Poll(NamedTuple):
    at: float
    """By the monotonic clock, seconds."""
    num_results: int
    """On the output topic."""
    cpu_seconds: float = 0.0
    """Used until then; only read where output begins and ends."""


class Running(ChildProcess):
    """A contender's process, which leads a new session."""

    cpu_seconds: float = 0.0
    """Of the process and the children that it waited for; known once it has ended."""
    peak_rss_bytes: int = 0
    """The sum over its processes; known after `end`."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs. Once it has ended, notes its CPU time."""
        return self._reap(os.WNOHANG)

    def end(self) -> None:
        """Send SIGTERM, wait, and kill what is left of the session; return when all have ended."""
        self.peak_rss_bytes = peak_rss_bytes_of(self.pid)
        self.send(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while self.is_alive and time.monotonic() < deadline:
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._reap(0)
        while left := pids_of(self.pid):  # children in other process groups
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)  # a killed process takes a moment to end

    def _reap(self, options: int) -> int | None:
        if self._popen.returncode is None:
            pid, status, usage = os.wait4(self.pid, options)
            if pid == 0:
                return None
            self._popen.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return int(self._popen.returncode)


@contextmanager
def running(contender: PreparedContender, job: Job) -> Iterator[Running]:
    """Run a contender for the length of a `with` block."""
    folder = Path(job.folder)
    run = Running(
        contender.command(job),
        folder / "output.log",
        environment={**os.environ, **contender.environment(job)},
        folder=folder,
        new_session=True,
    )
    try:
        yield run
    finally:
        run.end()


def measure(contender: PreparedContender, job: Job, num_records: int) -> Measured:
    """Run a contender until it has written `num_records` results, and stop it.

    Raises:
        RunError: it ended or got stuck first.
    """
    with (
        closing(EndOffsets(job.bootstrap_servers, job.output, job.partitions)) as ends,
        running(contender, job) as run,
    ):
        first, last = _watch(run, ends.total, num_records)
    seconds, count = last.at - first.at, last.num_results - first.num_results
    microseconds = 1e6 * (last.cpu_seconds - first.cpu_seconds) / count
    return Measured(seconds, count / seconds, run.cpu_seconds, microseconds)


def _watch(run: Running, total: Callable[[], int], num_records: int) -> tuple[_Poll, _Poll]:
    """Return the poll that saw the first output and the poll that saw the last.

    If one poll sees all of it, the first is the poll before that one, which saw nothing.
    """
    first, poll = None, _Poll(time.monotonic(), 0)
    moved_at = poll.at
    while True:
        count = total()
        before, poll = poll, _Poll(time.monotonic(), count)
        if count > before.num_results:
            moved_at = poll.at
            first = first or (before if count >= num_records else _with_cpu(run, poll))
        if first and count >= num_records:
            return first, _with_cpu(run, poll)
        if not run.is_alive:
            raise RunError(f"it ended after {count} of {num_records}: {run.last_lines()}")
        if poll.at - moved_at > _STUCK_SECONDS:
            raise RunError(f"it got stuck at {count} of {num_records}: {run.last_lines()}")
        time.sleep(_POLL_SECONDS)


def _with_cpu(run: Running, poll: _Poll) -> _Poll:
    return poll._replace(cpu_seconds=cpu_seconds_of(run.pid))
