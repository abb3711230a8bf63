"""What a view of the run is given, and how numbers look in any of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from agents.commands.demo.rows import AgentRow


@dataclass(frozen=True)
class Snapshot:
    """The run at one moment."""

    phase: str
    """What is being done, in words."""
    seconds: float = 0.0
    """Since the producers began."""
    rows: list[AgentRow] = field(default_factory=list)
    latest: dict[str, list[str]] = field(default_factory=dict)
    """Agent -> its latest results in words, the newest last."""


class View(Protocol):
    """Shows a run to somebody."""

    def say(self, line: str) -> None:
        """Tell something once."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """Show how things stand; called several times a second."""
        ...


class Silence:
    """A view for machines, who want the end alone."""

    def say(self, line: str) -> None:
        """Tell nobody."""

    def show(self, snapshot: Snapshot) -> None:
        """Show nobody."""


def milliseconds(seconds: float | None) -> str:
    """Return a duration in milliseconds, three digits long."""
    if seconds is None:
        return "-"
    ms = seconds * 1000
    return f"{ms:.0f}" if ms >= 10 else f"{ms:.1f}"


def number(value: float | None) -> str:
    """Return a mean with one digit after the point, `-` if there is none."""
    return "-" if value is None else f"{value:,.1f}"
