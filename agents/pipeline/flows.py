"""What flows through a pipeline: of each agent the types on its topics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from schemas import (
    AnomalyScore,
    BehaviorEvent,
    ClusterAssignment,
    ClusterUpdate,
    Detections,
    Event,
    NluResult,
    Result,
    SensorReading,
    TextMessage,
    VideoFrame,
)
from streams.settings import AgentSettings, PipelineSettings


@dataclass(frozen=True)
class Flow:
    """One agent's input and output."""

    agent: str
    settings: AgentSettings
    event_type: type[Event]
    result_type: type[Result]
    """`Result` itself where the model emits plain dicts: only the stamped fields are known."""
    update_type: type[Result] = ClusterUpdate
    """Of its global updates, if `settings.updates` names a topic for them."""

    @property
    def types(self) -> list[type[Event] | type[Result]]:
        """Every type on its topics."""
        updates = [self.update_type] if self.settings.updates else []
        return [self.event_type, self.result_type, *updates]


def default_flows() -> list[Flow]:
    """Return the flows of a pipeline with Penstock's usual topics and models."""
    video = AgentSettings(
        input="video.frames", output="video.detections", model="traffic_detector", codec="image"
    )
    text = AgentSettings(
        input="text.messages", output="text.understanding", model="intent_classifier"
    )
    sensor = AgentSettings(
        input="sensor.readings", output="sensor.anomalies", model="half_space_trees"
    )
    behavior = AgentSettings(
        input="behavior.events",
        output="behavior.clusters",
        updates="behavior.cluster_updates",
        model="online_kmeans",
    )
    return [
        Flow("detect_objects", video, VideoFrame, Detections),
        Flow("understand_text", text, TextMessage, NluResult),
        Flow("score_anomalies", sensor, SensorReading, AnomalyScore),
        Flow("cluster_behavior", behavior, BehaviorEvent, ClusterAssignment),
    ]


def flows_of(settings: PipelineSettings, base_dir: Path) -> list[Flow]:
    """Return the flows of a pipeline, importing its models' classes but loading none.

    Raises:
        ModelError: a model or an event type that is named does not exist.
    """
    from agents.pipeline.parts import load_agent

    flows = []
    for name, agent in settings.agents.items():
        parts = load_agent(agent, base_dir)
        result_type = parts.model_type.result_type or Result
        update_type = ClusterUpdate if result_type is ClusterAssignment else Result
        flows.append(Flow(name, agent, parts.event_type, result_type, update_type))
    return flows
