"""List the types on each agent's topics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from agents.pipeline.parts import load_agent
from schemas import UPDATE_TYPES, ClusterUpdate, Event, Result
from schemas.registry.letters import DeadLetterRecord
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
    """Type of its global updates, if `settings.updates` names a topic for them."""

    @property
    def types(self) -> list[type[msgspec.Struct]]:
        """Every type on its topics."""
        updates = [self.update_type] if self.settings.updates else []
        letters = [DeadLetterRecord] if self.settings.frames_dead_letters else []
        return [self.event_type, self.result_type, *updates, *letters]


def flows_of(settings: PipelineSettings, base_dir: Path = Path()) -> list[Flow]:
    """Return the flows of a pipeline, importing its models' classes but loading none.

    Raises:
        ModelError: a model or an event type that is named does not exist.
    """
    flows = []
    for name, agent in settings.agents.items():
        parts = load_agent(agent, base_dir)
        result_type = parts.model_type.result_type or Result
        update_type = UPDATE_TYPES.get(result_type, Result)
        flows.append(Flow(name, agent, parts.event_type, result_type, update_type))
    return flows
