"""One run of one contender: started, watched from outside, stopped, its rate taken."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from agents.bench.contenders import Job, Ready
from agents.bench.topics import EndOffsets

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


@dataclass
class Running:
    """A contender's process, the leader of a process group of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    cpu_seconds: float = 0.0
    """Known once it has ended; so is the next."""
    peak_rss_bytes: int = 0

    @property
    def has_ended(self) -> bool:
        """Whether it ended by itself; reaps it and notes its CPU time if so."""
        return self._reap(os.WNOHANG)

    def last_words(self) -> str:
        """Return the end of its output."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-500:] or "it said nothing"

    def stop(self) -> None:
        """Ask it to end, wait, and kill what is left of its group."""
        self.peak_rss_bytes = _peak_rss_bytes(self.process.pid)
        if not self.has_ended:
            self.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while not self.has_ended and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._reap(0)

    def _reap(self, options: int) -> bool:
        if self.process.returncode is not None:
            return True
        pid, status, usage = os.wait4(self.process.pid, options)
        if pid == 0:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return True


def _peak_rss_bytes(pid: int) -> int:
    """Return the peak of a process's memory; 0 where it has ended or there is no /proc.

    Not `ru_maxrss`: that of a child begins with what its parent held when it was forked.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else 0


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
        (first_at, first), (last_at, last) = _watch(run, ends.total, num_records)
    seconds = last_at - first_at
    return Measured(seconds, (last - first) / seconds, run.cpu_seconds)


def _watch(
    run: Running, total: Callable[[], int], num_records: int
) -> tuple[tuple[float, int], tuple[float, int]]:
    """Return when the first and the last output was seen, and how much there was then.

    If one poll sees it all, the first is the poll before it, which saw nothing.
    """
    first, seen = None, (time.monotonic(), 0)
    moved_at = seen[0]
    while True:
        count = total()
        before, seen = seen, (time.monotonic(), count)
        if seen[1] > before[1]:
            moved_at = seen[0]
            first = first or (before if seen[1] >= num_records else seen)
        if first and seen[1] >= num_records:
            return first, seen
        if run.has_ended:
            raise RunError(f"it ended after {seen[1]} of {num_records}: {run.last_words()}")
        if seen[0] - moved_at > _STUCK_SECONDS:
            raise RunError(f"it got stuck at {seen[1]} of {num_records}: {run.last_words()}")
        time.sleep(_POLL_SECONDS)
