"""How many dead letters there are, of what kind, and since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from agents.commands.dlq.letters import Letter, State


@dataclass
class Group:
    """Letters that share agent, reason, error and input partition."""

    agent: str
    reason: str
    error: str
    """The exception's class."""
    topic: str
    """Of the input; so is partition."""
    partition: int
    open: int = 0
    """Neither replayed nor dropped."""
    replayed: int = 0
    dropped: int = 0
    first_ms: int = 0
    """When the first of them failed, milliseconds since 1970."""
    last_ms: int = 0

    def add(self, letter: Letter) -> None:
        """Count one."""
        at = letter.told.failed_at_ms
        self.first_ms = min(self.first_ms or at, at)
        self.last_ms = max(self.last_ms, at)
        self.open += letter.state is State.OPEN
        self.replayed += letter.state is State.REPLAYED
        self.dropped += letter.state is State.DROPPED


def summarise(letters: Iterable[Letter]) -> list[Group]:
    """Return the groups, those with the most open letters first."""
    groups: dict[tuple[str, str, str, str, int], Group] = {}
    for letter in letters:
        told = letter.told
        origin = told.origin
        key = (told.agent, told.reason, told.exception, origin.topic, origin.partition)
        groups.setdefault(key, Group(*key)).add(letter)
    return sorted(groups.values(), key=lambda group: -group.open)
