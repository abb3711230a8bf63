"""Whether what a model has learned fits the model of another pipeline file."""

from __future__ import annotations

from pathlib import Path

from agents.pipeline.parts import load_agent
from models.base import OnlineModel
from streams.settings import AgentSettings


def state_problem(
    before: AgentSettings, after: AgentSettings, old_dir: Path, new_dir: Path
) -> str | None:
    """Return why a state does not fit, "" if it does, None if there is none.

    It is tried: a model of the new settings restores the state of an empty one of the old settings,
    whose options are checked as those of any other state are.

    Raises:
        ModelError: a model does not exist, or can't be loaded.
    """
    old_parts, new_parts = load_agent(before, old_dir), load_agent(after, new_dir)
    if not issubclass(old_parts.model_type, OnlineModel):
        return None
    if not issubclass(new_parts.model_type, OnlineModel):
        return f"{new_parts.model_type.name} does not learn"
    if before.model == after.model and old_dir == new_dir:
        return ""
    old, new = old_parts.make_model(), new_parts.make_model()
    assert isinstance(old, OnlineModel)
    assert isinstance(new, OnlineModel)
    try:
        old.load("cpu")
        new.load("cpu")
        return _problem(old, new)
    finally:
        old.close()
        new.close()


def _problem(old: OnlineModel, new: OnlineModel) -> str:  # type: ignore[type-arg]
    stored = (old.name, old.version, old.learn_every)
    configured = (new.name, new.version, new.learn_every)
    if stored != configured:
        return (
            "it was made by {} version {} with learn_every {}, and the new file has {} version {} "
            "with learn_every {}".format(*stored, *configured)
        )
    try:
        new.restore(old.snapshot())
    except Exception as error:  # a user's model may raise anything
        return str(error) or type(error).__name__
    return ""
