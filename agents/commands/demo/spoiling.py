"""Sends the bad records, spread over the run."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from agents.commands.demo.bad_records import BadRecord, bad_records
from agents.commands.demo.inputs import Input
from agents.commands.produce.event_records import EventEncoder
from agents.commands.publishing import DEFAULTS
from schemas import EVENT_TYPES
from streams.kafka.settings import Kafka, confluent_config
from streams.settings import AgentSettings

#: The first comes after this share of the run and the last before it ends by as much.
_MARGIN = 0.1
_FLUSH_SECONDS = 30.0

_silent = logging.getLogger("penstock.demo.spoiling.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


@dataclass
class Spoiled:
    """What was sent to one topic."""

    num_delivered: int = 0
    what: list[str] = field(default_factory=list)
    """In words, one each."""


class Spoiler(threading.Thread):
    """Sends each topic's bad records once, one after the other."""

    def __init__(
        self, feeds: list[tuple[Input, AgentSettings]], kafka: Kafka, seconds: float
    ) -> None:
        super().__init__(name="spoil", daemon=True)
        self.spoiled = {agent.inputs[0]: Spoiled() for _, agent in feeds}
        self._feeds, self._seconds = feeds, seconds
        self._stopped = threading.Event()
        config = {**DEFAULTS, **confluent_config(kafka, "producer")}
        self._producer = Producer(config, logger=_silent)

    def run(self) -> None:
        """Send them at even intervals, until all are sent or it is stopped."""
        queue = _in_turn([self._records(*feed) for feed in self._feeds])
        started = time.monotonic()
        interval = self._seconds * (1 - 2 * _MARGIN) / max(len(queue), 1)
        for index, (topic, record) in enumerate(queue):
            due = started + self._seconds * _MARGIN + index * interval
            if self._stopped.wait(max(due - time.monotonic(), 0.0)):
                break
            self._send(topic, record)
        self._producer.flush(_FLUSH_SECONDS)

    def stop(self) -> None:
        """Let it send no more."""
        self._stopped.set()

    def _records(self, fed: Input, agent: AgentSettings) -> list[tuple[str, BadRecord]]:
        event = next(iter(fed))
        good = EventEncoder(EVENT_TYPES[agent.event], agent.codec).encode(event)
        return [(agent.inputs[0], record) for record in bad_records(fed.kind, good.value)]

    def _send(self, topic: str, record: BadRecord) -> None:
        spoiled = self.spoiled[topic]

        def settle(error: Any, _: Any) -> None:
            if error is None:
                spoiled.num_delivered += 1
                spoiled.what.append(record.what)

        self._producer.produce(
            topic, record.value, b"demo-bad", headers=record.headers, on_delivery=settle
        )
        self._producer.poll(0)


def _in_turn(groups: list[list[tuple[str, BadRecord]]]) -> list[tuple[str, BadRecord]]:
    longest = max(map(len, groups), default=0)
    return [group[i] for i in range(longest) for group in groups if i < len(group)]
