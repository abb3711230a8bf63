"""What a view of the run shows, and the plain view: lines for a pipe or a log file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from agents.commands.demo.metrics import AgentRow

#: Between two reports of the plain view.
INTERVAL_SECONDS = 5.0


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment."""

    phase: str
    """What the demo is doing, in words."""
    seconds: float = 0.0
    """Since the producers started."""
    rows: list[AgentRow] = field(default_factory=list)
    latest: dict[str, list[str]] = field(default_factory=dict)
    """Agent -> its latest results in words, the newest last."""


class View(Protocol):
    """Shows the run to the user."""

    def show(self, snapshot: Snapshot) -> None:
        """Show the current state; called several times a second."""
        ...


class SilentView:
    """Shows nothing: for scripts, which only read the final JSON."""

    def show(self, snapshot: Snapshot) -> None:
        """Do nothing."""


class PlainView:
    """Writes lines without control characters."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._phase = ""
        self._shown_at = 0.0

    def show(self, snapshot: Snapshot) -> None:
        """Write a report when the phase changes, and every `INTERVAL_SECONDS`."""
        is_new = snapshot.phase != self._phase
        if is_new:
            self._write(f"{snapshot.phase} ...")
        elif snapshot.seconds - self._shown_at < INTERVAL_SECONDS:
            return
        self._phase, self._shown_at = snapshot.phase, snapshot.seconds
        for row in snapshot.rows if not is_new else ():
            self._write(row_line(snapshot.seconds, row))
            for result in snapshot.latest.get(row.agent, [])[-1:]:
                self._write(f"        {result}")


def row_line(seconds: float, row: AgentRow) -> str:
    """Return an agent's numbers in one line."""
    return (
        f"{seconds:4.0f} s  {row.agent:<17} in {row.in_per_second:,.1f}/s  "
        f"out {row.out_per_second:,.1f}/s  batch {number(row.batch_size)}  "
        f"queue {milliseconds(row.queue_seconds)} ms  model {milliseconds(row.model_seconds)} ms  "
        f"age p50 {milliseconds(row.age_p50_seconds)} p99 {milliseconds(row.age_p99_seconds)} ms  "
        f"lag {row.lag}  dead letters {row.num_dead_letters}"
    )


def milliseconds(seconds: float | None) -> str:
    """Format a duration in milliseconds; `-` for None."""
    if seconds is None:
        return "-"
    ms = seconds * 1000
    return f"{ms:.0f}" if ms >= 10 else f"{ms:.1f}"


def number(value: float | None) -> str:
    """Format a mean with one decimal; `-` for None."""
    return "-" if value is None else f"{value:,.1f}"
