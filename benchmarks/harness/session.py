"""A contender's processes, looked at from outside: all of the session that it leads (Linux)."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: Of /proc/PID/stat after the command's name: see proc(5).
_STATE, _SESSION, _USER_TICKS, _SYSTEM_TICKS = 0, 3, 11, 12


def pids_of(session: int) -> list[int]:
    """Return the processes of a session that run; none where there is no /proc."""
    return [pid for pid, fields in _stats() if int(fields[_SESSION]) == session]


def cpu_seconds_of(session: int) -> float:
    """Return the user and system time that a session's running processes have used so far."""
    ticks = 0
    for _, fields in _stats():
        if int(fields[_SESSION]) == session:
            ticks += int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
    return ticks / _TICKS_PER_SECOND


def peak_rss_bytes_of(session: int) -> int:
    """Return the sum of the peaks of the processes' memory; 0 where all have ended.

    Not `ru_maxrss`: that of a child begins with what its parent held when it was forked.
    """
    return sum(peak_rss_bytes(pid) for pid in pids_of(session))


def peak_rss_bytes(pid: int) -> int:
    """Return the peak of one process's memory; 0 where it has ended or there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0]) * 1024 if peaks else 0


def _stats() -> list[tuple[int, list[str]]]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if fields[_STATE] != "Z":
            found.append((int(stat.parent.name), fields))
    return found
