"""The live view on a terminal: a table of the agents and their latest results in words."""

from __future__ import annotations

from dataclasses import replace
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agents.commands.demo.metrics import AgentRow
from agents.commands.demo.views import Snapshot, milliseconds, number

#: Narrower terminals show the results below the table instead of beside it.
_SIDE_BY_SIDE_COLUMNS = 170
_FRAMES_PER_SECOND = 4
_NUMBERS = ("in/s", "out/s", "batch", "queue", "model", "p50", "p99", "lag", "dead")


class LiveView:
    """Redraws in place."""

    def __init__(self, header: list[str], total_seconds: float, console: Console) -> None:
        self._header, self._total_seconds, self._console = header, total_seconds, console
        self._last = Snapshot("")
        self._live = Live(
            console=console, refresh_per_second=_FRAMES_PER_SECOND, vertical_overflow="crop"
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw the run; the last numbers stay until newer ones arrive."""
        if snapshot.rows:
            self._last = snapshot
        else:
            snapshot = replace(self._last, phase=snapshot.phase)
        self._live.update(self.picture(snapshot))

    def picture(self, snapshot: Snapshot) -> RenderableType:
        """Return what is drawn."""
        seconds = f"{min(snapshot.seconds, self._total_seconds):.0f}"
        title = f"Penstock demo   {snapshot.phase}   {seconds} of {self._total_seconds:.0f} s"
        header = Panel(Text("\n".join(self._header), style="dim"), title=Text(title, style="bold"))
        table, results = _table(snapshot.rows), _latest_results(snapshot.latest)
        if self._console.width < _SIDE_BY_SIDE_COLUMNS:
            return Group(header, table, results)
        side_by_side = Table.grid(padding=(0, 1))
        side_by_side.add_row(table, results)
        return Group(header, side_by_side)


def _table(rows: list[AgentRow]) -> Table:
    caption = "queue, model and event age (p50, p99) in milliseconds, over the last seconds"
    table = Table(box=box.SIMPLE_HEAD, caption=Text(caption), caption_justify="left")
    table.add_column("agent", no_wrap=True)
    for name in _NUMBERS:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(Text(row.agent, style="cyan"), *_cells(row))
    return table


def _cells(row: AgentRow) -> list[Text]:
    durations = (row.queue_seconds, row.model_seconds, row.age_p50_seconds, row.age_p99_seconds)
    return [
        Text(f"{row.in_per_second:,.1f}"),
        Text(f"{row.out_per_second:,.1f}"),
        Text(number(row.batch_size)),
        *(Text(milliseconds(seconds)) for seconds in durations),
        Text(str(row.lag)),
        Text(str(row.num_dead_letters), style="red" if row.num_dead_letters else ""),
    ]


def _latest_results(latest: dict[str, list[str]]) -> RenderableType:
    lines = Text(no_wrap=True, overflow="ellipsis")
    for agent, results in latest.items():
        lines.append(f"{agent}\n", style="cyan")
        for result in results:
            # Appended as text, not markup: data from outside must not style the terminal.
            lines.append(f"  {result}\n")
    return Panel(lines, title="latest results", box=box.SIMPLE)
