"""Parts for the demo's tests: an engine's metrics, frames, detections and scores."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from prometheus_client import CollectorRegistry, generate_latest

from agents.commands.broker import embedded_broker
from agents.commands.demo.inputs import packaged_inputs
from agents.commands.demo.metrics import Scrape, parse
from agents.commands.demo.pipeline import load_run, write_pipeline
from schemas import AnomalyScore, Detection, Detections, VideoFrame
from streams.health.agent_metrics import AgentMetrics
from streams.health.metrics import Metrics
from streams.health.outcomes import Outcome
from streams.settings import PipelineSettings


@contextmanager
def run_settings(folder: Path) -> Iterator[PipelineSettings]:
    """Yield the settings of a run on an embedded broker, which ends with the block."""
    with embedded_broker() as broker:
        kafka = {"bootstrap.servers": broker.bootstrap_servers, "group.id": "demo-test"}
        write_pipeline(folder / "penstock.yaml", packaged_inputs(), kafka)
        yield load_run(folder / "penstock.yaml", {})


class CountingEngine:
    """The metrics that a real engine counts, and a scrape of them without HTTP."""

    def __init__(self, agent: str = "detect_objects", topic: str = "video.frames") -> None:
        self.topic = topic
        self.metrics = Metrics(CollectorRegistry())
        self.agent: AgentMetrics = self.metrics.for_agent(agent, [topic], "model")

    def finish(self, answered: int, dead_lettered: int = 0, filtered: int = 0) -> None:
        self.agent.took_in(self.topic, answered + dead_lettered + filtered)
        self.agent.finished(self.topic, Outcome.ANSWERED, answered)
        self.agent.finished(self.topic, Outcome.DEAD_LETTERED, dead_lettered)
        self.agent.finished(self.topic, Outcome.FILTERED, filtered)
        if dead_lettered:
            self.agent.dead_lettered(self.topic, "decode_error", dead_lettered)

    def scrape(self, seconds: float = 0.0) -> Scrape:
        return parse(generate_latest(self.metrics.registry).decode(), seconds)


def frame(
    event_id: str, camera: str = "camera-1", size: tuple[int, int] = (640, 384)
) -> VideoFrame:
    buffer = io.BytesIO()
    Image.new("RGB", size, (10, 20, 30)).save(buffer, "JPEG")
    return VideoFrame(source_id=camera, event_id=event_id, image=buffer.getvalue(), frame_index=3)


def detections(event_id: str, *scores: float, size: tuple[int, int] = (640, 384)) -> Detections:
    boxes = [(100.0 + 60 * i, 100.0, 150.0 + 60 * i, 200.0) for i in range(len(scores))]
    objects = [
        Detection(label="car", class_id=0, score=score, box=box)
        for score, box in zip(scores, boxes, strict=True)
    ]
    return Detections(event_id=event_id, width=size[0], height=size[1], detections=objects)


def score(event_id: str, source_id: str, value: float, channel: str = "") -> AnomalyScore:
    return AnomalyScore(
        event_id=event_id,
        source_id=source_id,
        event_time_ms=1,
        score=value,
        is_anomaly=value >= 0.5,
        threshold=0.5,
        channel=channel,
    )
