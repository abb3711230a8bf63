"""The state of a pipeline's online models: which agents have some, and where it is kept."""

from __future__ import annotations

from pathlib import Path

from agents.pipeline.parts import load_agent
from models.base import ModelError, OnlineModel
from streams.settings import PipelineSettings
from streams.state.folder_store import FolderStore
from streams.state.snapshot import StateStore, StateStoreError
from streams.state.topic_store import TopicStore


def make_store(settings: PipelineSettings) -> StateStore | None:
    """Return what `state.store` names, None for `none`; nothing is connected yet.

    Raises:
        ModelError: there is no way to that store.
    """
    where = settings.state.store
    if where == "none":
        return None
    if where == "topic":
        topics = {agent: settings.state_topic(agent) for agent in settings.agents}
        return TopicStore(settings.kafka, topics)
    try:
        return FolderStore(where, settings.group)
    except StateStoreError as error:
        raise ModelError(str(error)) from error


def learning_agents(settings: PipelineSettings, base_dir: Path) -> list[str]:
    """Return the agents whose models learn, importing their classes but loading none.

    Raises:
        ModelError: a model that is named does not exist.
    """
    found = []
    for name, agent in settings.agents.items():
        try:
            is_online = issubclass(load_agent(agent, base_dir).model_type, OnlineModel)
        except ModelError as error:
            raise ModelError(f"agent {name}: {error}") from error
        if is_online:
            found.append(name)
    return found
