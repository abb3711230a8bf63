"""CPU time and memory of a contender: of all processes of the session that it leads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil


def pids_of(session: int) -> list[int]:
    """Return the running processes of a session."""
    return [process.pid for process in _processes_of(session)]


def cpu_seconds_of(session: int) -> float:
    """Return the user and system time that a session's running processes have used so far."""
    seconds = 0.0
    for process in _processes_of(session):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it ended meanwhile
            continue
        seconds += times.user + times.system
    return seconds


def rss_bytes_of(session: int) -> int:
    """Return the sum of the resident memory of a session's running processes."""
    total = 0
    for process in _processes_of(session):
        try:
            total += process.memory_info().rss
        except psutil.Error:  # it ended meanwhile
            continue
    return total


def peak_rss_bytes_of(session: int) -> int:
    """Return the sum of the processes' peaks of resident memory; 0 if all have ended.

    Not `ru_maxrss`: for a child it starts from what its parent held at the fork.
    """
    return sum(peak_rss_bytes(process.pid) for process in _processes_of(session))


def peak_rss_bytes(pid: int) -> int:
    """Return the peak of one process's resident memory; 0 if it has ended.

    Read from /proc (Linux), because psutil has the present value only.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else 0


def _processes_of(session: int) -> Iterator[psutil.Process]:
    """Yield the running processes of a session, whatever groups they are in."""
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.status() != psutil.STATUS_ZOMBIE:
                yield process
        except (ProcessLookupError, PermissionError, psutil.Error):  # it ended, or is another's
            continue
