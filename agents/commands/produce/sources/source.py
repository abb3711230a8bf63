"""The `Source` of events, and functions that repeat, interleave and distribute events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import msgspec

from schemas import Event

E = TypeVar("E", bound=Event)

Kind: TypeAlias = Literal["video", "text", "sensor", "behavior", "audio", "interaction"]


class SourceError(ValueError):
    """A source can't be read; the message says which one, where in it, and what was expected."""


@dataclass(frozen=True)
class Source:
    """Events of one kind from one place; each iteration starts from the beginning."""

    name: str
    kind: Kind
    description: str
    """What the events are and where they come from, for people."""
    is_real: bool
    """False: rendered or generated, with known truth."""
    read: Callable[[], Iterator[Event]]

    def __iter__(self) -> Iterator[Event]:
        return self.read()

    def describe(self) -> str:
        """Return one line that says whether it is real and what it is."""
        return f"{self.name}: {'real' if self.is_real else 'rendered'}, {self.description}"


def repeat(read: Callable[[], Iterator[E]]) -> Iterator[E]:
    """Yield a finite source's events again and again, without end.

    Raises:
        SourceError: the source has no events.
    """
    while True:
        has_any = False
        for event in read():
            has_any = True
            yield event
        if not has_any:
            raise SourceError("the source has no events: there is nothing to repeat")


def round_robin(sources: Iterable[Iterable[E]]) -> Iterator[E]:
    """Yield one event of each source in turn, in each source's order, until all have ended."""
    running = [iter(source) for source in sources]
    while running:
        going = []
        for events in running:
            event = next(events, None)
            if event is not None:
                going.append(events)
                yield event
        running = going


def spread(events: Iterable[E], prefix: str, num_keys: int) -> Iterator[E]:
    """Distribute events without a source over `num_keys` source ids: `prefix-1`, `prefix-2` ...

    Each source id keeps its order, and all partitions of a topic get some of the events.
    """
    for index, event in enumerate(events):
        source_id = f"{prefix}-{index % num_keys + 1}"
        yield msgspec.structs.replace(event, source_id=source_id)
