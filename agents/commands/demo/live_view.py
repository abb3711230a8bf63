"""The run on a terminal: a table of the agents, and beside it what they found, in words."""

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

from agents.commands.demo.rows import AgentRow
from agents.commands.demo.view import Snapshot, milliseconds, number

#: Narrower terminals show the words below the table instead of beside it.
_SIDE_BY_SIDE_COLUMNS = 170
_FRAMES_PER_SECOND = 4
_NUMBERS = ("in/s", "out/s", "batch", "queue", "model", "p50", "p99", "lag", "dead")


class LiveView:
    """Redraws in place; what is told once scrolls above."""

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

    def say(self, line: str) -> None:
        """Print a line above the picture."""
        self._console.print(Text(line))

    def show(self, snapshot: Snapshot) -> None:
        """Draw the run as it stands; the last numbers stay while there are no newer ones."""
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
        table, words = _table(snapshot.rows), _words(snapshot.latest)
        if self._console.width < _SIDE_BY_SIDE_COLUMNS:
            return Group(header, table, words)
        beside = Table.grid(padding=(0, 1))
        beside.add_row(table, words)
        return Group(header, beside)


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
    dead = Text(str(row.num_dead_letters), style="red" if row.num_dead_letters else "")
    return [
        Text(f"{row.in_per_second:,.1f}"),
        Text(f"{row.out_per_second:,.1f}"),
        Text(number(row.batch_size)),
        *(
            Text(milliseconds(seconds))
            for seconds in (
                row.queue_seconds,
                row.model_seconds,
                row.age_p50_seconds,
                row.age_p99_seconds,
            )
        ),
        Text(str(row.lag)),
        dead,
    ]


def _words(latest: dict[str, list[str]]) -> RenderableType:
    lines = Text(no_wrap=True, overflow="ellipsis")
    for agent, words in latest.items():
        lines.append(f"{agent}\n", style="cyan")
        for line in words:
            # As text, never as markup: what came from outside must not style the terminal.
            lines.append(f"  {line}\n")
    return Panel(lines, title="latest results", box=box.SIMPLE)
