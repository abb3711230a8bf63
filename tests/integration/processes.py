"""Look into /proc: which processes a worker started, and whether they still run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.waiting import wait_until


def children_of(parent: int) -> list[int]:
    """Return the ids of the processes that a process started, in the order of starting."""
    children = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = _fields(stat)
        except OSError:  # it has ended since the listing
            continue
        if int(fields[1]) == parent:
            children.append(int(stat.parent.name))
    return sorted(children)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return _fields(Path(f"/proc/{pid}/stat"))[0] != "Z"
    except OSError:
        return False


def await_ended(pids: Iterable[int], timeout: float = 30.0) -> None:
    """Wait until none of the processes runs."""
    pids = list(pids)
    wait_until(f"processes {pids} have ended", lambda: not any(map(is_alive, pids)), timeout)


def _fields(stat: Path) -> list[str]:
    """Return the fields of a process from its state on: state, parent, ..."""
    return stat.read_text().rsplit(")", 1)[1].split()
