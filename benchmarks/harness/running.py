"""One run of one contender: started, watched from outside, stopped, its rate taken."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.harness.ready import Job, Ready
from benchmarks.harness.session import cpu_seconds_of, peak_rss_bytes_of, pids_of
from benchmarks.harness.topics import EndOffsets

_POLL_SECONDS = 0.05
#: Without a new result for so long a contender counts as stuck.
_STUCK_SECONDS = 60.0
_STOP_SECONDS = 30.0


class RunError(Exception):
    """A contender ended early or got stuck; the message has its last words."""


@dataclass(frozen=True)
class Measured:
    """What was seen of a run, start-up left out."""

    seconds: float
    """From the first poll that saw output to the one that saw the last record."""
    records_per_second: float
    """Of the records that came out in those seconds."""
    cpu_seconds: float
    """User and system time of the process and its children, over their whole life."""
    cpu_microseconds_per_record: float
    """Of the records and the time that the rate is of: without start-up; 0 without /proc."""


class _Seen(NamedTuple):
    at: float
    """By the monotonic clock, seconds."""
    num_results: int
    """That lay there."""
    cpu_seconds: float = 0.0
    """Used by then; only looked at where output begins and ends."""


@dataclass
class Running:
    """A contender's process, the leader of a session of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    cpu_seconds: float = 0.0
    """Of it and the children that it waited for; known once it has ended."""
    peak_rss_bytes: int = 0
    """The sum over its processes; known once it was asked to end."""

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself; reaps it and notes its CPU time if so."""
        return self._reap(os.WNOHANG)

    def last_words(self) -> str:
        """Return the end of its output."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-500:] or "it said nothing"

    def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of its session; all of it has ended then."""
        self.peak_rss_bytes = peak_rss_bytes_of(self.process.pid)
        if not self.has_ended:
            self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while not self.has_ended and time.monotonic() < deadline:
            time.sleep(0.02)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self._reap(0)
        while left := pids_of(self.process.pid):  # those of groups of their own
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)  # a killed one takes a moment to end

    def _reap(self, options: int) -> bool:
        if self.process.returncode is not None:
            return True
        pid, status, usage = os.wait4(self.process.pid, options)
        if pid == 0:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return True


@contextmanager
def running(ready: Ready, job: Job) -> Iterator[Running]:
    """Run a contender for the length of a `with` block."""
    log = Path(job.folder) / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ready.command(job),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **ready.environment(job)},
            cwd=job.folder,
            start_new_session=True,
        )
    found = Running(process, log)
    try:
        yield found
    finally:
        found.stop()


def measure(ready: Ready, job: Job, num_records: int) -> Measured:
    """Run a contender until it has written `num_records` results, and stop it.

    Raises:
        RunError: it ended or got stuck before.
    """
    with (
        closing(EndOffsets(job.bootstrap_servers, job.output, job.partitions)) as ends,
        running(ready, job) as run,
    ):
        first, last = _watch(run, ends.total, num_records)
    seconds, count = last.at - first.at, last.num_results - first.num_results
    microseconds = 1e6 * (last.cpu_seconds - first.cpu_seconds) / count
    return Measured(seconds, count / seconds, run.cpu_seconds, microseconds)


def _watch(run: Running, total: Callable[[], int], num_records: int) -> tuple[_Seen, _Seen]:
    """Return what was seen when the first and when the last output was there.

    If one poll sees it all, the first is the poll before it, which saw nothing.
    """
    first, seen = None, _Seen(time.monotonic(), 0)
    moved_at = seen.at
    while True:
        count = total()
        before, seen = seen, _Seen(time.monotonic(), count)
        if count > before.num_results:
            moved_at = seen.at
            first = first or (before if count >= num_records else _with_cpu(run, seen))
        if first and count >= num_records:
            return first, _with_cpu(run, seen)
        if run.has_ended:
            raise RunError(f"it ended after {count} of {num_records}: {run.last_words()}")
        if seen.at - moved_at > _STUCK_SECONDS:
            raise RunError(f"it got stuck at {count} of {num_records}: {run.last_words()}")
        time.sleep(_POLL_SECONDS)


def _with_cpu(run: Running, seen: _Seen) -> _Seen:
    return seen._replace(cpu_seconds=cpu_seconds_of(run.process.pid))
