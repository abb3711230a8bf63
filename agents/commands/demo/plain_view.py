"""The run in plain lines, every few seconds: for a pipe or a log file."""

from __future__ import annotations

from collections.abc import Callable

from agents.commands.demo.rows import AgentRow
from agents.commands.demo.view import Snapshot, milliseconds, number

#: Between two reports.
INTERVAL_SECONDS = 5.0


class PlainView:
    """Lines without control characters."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._phase = ""
        self._shown_at = 0.0

    def say(self, line: str) -> None:
        """Write a line."""
        self._write(line)

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
            for words in snapshot.latest.get(row.agent, [])[-1:]:
                self._write(f"        {words}")


def row_line(seconds: float, row: AgentRow) -> str:
    """Return an agent's numbers in one line."""
    return (
        f"{seconds:4.0f} s  {row.agent:<17} in {row.in_per_second:,.1f}/s  "
        f"out {row.out_per_second:,.1f}/s  batch {number(row.batch_size)}  "
        f"queue {milliseconds(row.queue_seconds)} ms  model {milliseconds(row.model_seconds)} ms  "
        f"age p50 {milliseconds(row.age_p50_seconds)} p99 {milliseconds(row.age_p99_seconds)} ms  "
        f"lag {row.lag}  dead letters {row.num_dead_letters}"
    )
