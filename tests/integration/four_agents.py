"""The four agents of the default pipeline, run on their own topics by one worker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import Message

from agents.commands.produce.event_publisher import EventPublisher
from agents.commands.produce.event_records import EventEncoder
from schemas import EVENT_TYPES, Event
from tests.conftest import REPO
from tests.integration.pipelines import Pipeline, make_planned_topics
from tests.waiting import wait_for_count

#: Topics of `examples/penstock.yaml`, by agent.
INPUTS = {
    "detect_objects": "video.frames",
    "understand_text": "text.messages",
    "score_anomalies": "sensor.readings",
    "cluster_behavior": "behavior.events",
}


class FourAgents(Pipeline):
    """`examples/penstock.yaml` with a prefix before each topic, so that runs don't share topics."""

    def __init__(
        self, folder: Path, bootstrap: str, changes: dict[str, dict[str, Any]] | None = None
    ) -> None:
        self.changes = changes or {}
        super().__init__(folder, bootstrap, name=f"four-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings()))
        make_planned_topics(self.config)

    def settings(self) -> dict[str, Any]:
        document = yaml.safe_load((REPO / "examples" / "penstock.yaml").read_text())
        for name, agent in document["agents"].items():
            agent.update(self.changes.get(name, {}))
            agent["max_record_bytes"] = int(str(agent.get("max_record_bytes", 1_000_000)))
            for key in ("input", "output", "updates"):
                if key in agent:
                    agent[key] = f"{self.name}.{agent[key]}"
        kafka = {**self.kafka, "group.id": self.name}
        return {"kafka": kafka, "agents": document["agents"], "metrics": {"port": 0}}

    def topic(self, agent: str, role: str = "output") -> str:
        settings = self.settings()["agents"][agent]
        return f"{settings['input']}.dlq" if role == "dead_letters" else str(settings[role])

    def publish(self, agent: str, events: Iterable[Event]) -> int:
        """Publish events to an agent's input as `penstock produce` does; return how many."""
        settings = self.settings()["agents"][agent]
        encoder = EventEncoder(EVENT_TYPES[settings["event"]], settings.get("codec", "json"))
        publisher = EventPublisher(self.kafka, settings["input"], encoder)
        published = publisher.publish(events)
        assert published.num_failed == 0
        return published.num_delivered

    def results(self, agent: str, role: str = "output") -> list[dict[str, Any]]:
        """The decoded results of an agent, partition by partition."""
        return [json.loads(m.value() or b"") for m in self.read(self.topic(agent, role))]

    def await_records(self, topic: str, count: int, timeout: float = 120.0) -> Sequence[Message]:
        """Wait until a topic holds `count` records, and return them."""
        wait_for_count(f"records on {topic}", lambda: len(self.read(topic)), count, timeout)
        return self.read(topic)
