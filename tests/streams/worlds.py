"""Random worlds for an engine: arrivals, delays, failures and rebalances.

A `World` is data that hypothesis draws; `Model` and `SlowSink` behave as it says.
`tests/streams/playing.py` plays it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

from schemas import DeadLetter, Event
from streams.records import TopicPartition
from streams.settings import AgentSettings
from streams.sink import Output, Rows
from tests.fakes import ListSink
from tests.virtual_time import cycle

#: The wall clock when virtual time begins.
WALL = 1_700_000_000.0
UNLUCKY = 13


class Numbered(Event, frozen=True, kw_only=True):
    """An event with a number."""

    x: int


@dataclass(frozen=True)
class Record:
    """One input record: `kind` is good, unlucky, broken or tombstone."""

    kind: str
    age: float
    """Age of its event when it arrives on the topic, in seconds."""


@dataclass(frozen=True)
class Arrival:
    at: float
    tp: TopicPartition
    records: Sequence[Record]


@dataclass(frozen=True)
class Rebalance:
    """A partition is revoked; it is assigned again after `away` seconds, or never if None."""

    at: float
    tp: TopicPartition
    away: float | None


@dataclass(frozen=True)
class World:
    settings: AgentSettings
    arrivals: Sequence[Arrival]
    rebalances: Sequence[Rebalance]
    output_partitions: int
    model_seconds: list[float]
    host_seconds: list[float]
    ack_seconds: list[float]
    fails_every: int
    """Every n-th model call with several events raises; 0: none does."""
    fetch_seconds: float = 0.05
    """Time between fetches: after a short one few records are read, after a long one many."""
    is_joined: bool = True
    """Whether a fetch is submitted as a whole, not partition by partition."""
    max_inline_seconds: float = 0.0
    """Work that is expected to take at most this long stays on the event loop's thread."""


class Model:
    """Doubles numbers, records its calls, and fails as the world says."""

    name, version = "doubling", "1"

    def __init__(self, world: World) -> None:
        self._fails_every = world.fails_every
        self._num_calls = 0
        self.calls: list[list[Numbered]] = []

    def load(self, device: str = "cpu") -> None: ...

    def warm_up(self) -> None: ...

    def close(self) -> None: ...

    def predict_batch(self, batch: Sequence[Numbered]) -> list[dict[str, int]]:
        self.calls.append(list(batch))
        self._num_calls += len(batch) > 1
        if any(event.x == UNLUCKY for event in batch):
            raise ArithmeticError("13 brings bad luck")
        if self._fails_every and len(batch) > 1 and self._num_calls % self._fails_every == 0:
            raise RuntimeError("now and then")
        return [{"y": 2 * event.x} for event in batch]


class SlowSink(ListSink):
    """Acknowledges each send after a delay, in any order."""

    def __init__(self, world: World) -> None:
        super().__init__(world.output_partitions)
        self._seconds = cycle(world.ack_seconds)
        self.results: Counter[tuple[TopicPartition, int]] = Counter()
        self.letters: Counter[tuple[TopicPartition, int]] = Counter()
        """Acknowledged dead letters by input partition and offset, as `results` counts results."""
        self.reasons: dict[tuple[TopicPartition, int], str] = {}

    async def send(self, rows: Rows, outputs: Sequence[Output]) -> Awaitable[None]:
        before = {key: len(kept) for key, kept in self.records.items()}
        acknowledged = await super().send(rows, outputs)
        assert asyncio.iscoroutine(acknowledged)
        acknowledged.close()
        sent = [r for key, kept in self.records.items() for r in kept[before.get(key, 0) :]]
        return asyncio.ensure_future(self._acknowledge(sent, self._seconds()))

    async def _acknowledge(self, sent: list[Any], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for record in sent:
            if any(name.startswith("__penstock.errors.") for name, _ in record.headers):
                letter = DeadLetter.from_headers(record.headers)
                key = TopicPartition(*_pair(letter.origin)), letter.origin.offset
                self.letters[key] += 1
                self.reasons[key] = letter.reason
            else:
                origin = json.loads(record.value)["origin"]
                key = TopicPartition(origin["topic"], origin["partition"]), origin["offset"]
                self.results[key] += 1


def _pair(origin: Any) -> tuple[str, int]:
    return origin.topic, origin.partition
