"""How an agent's policies fit together: buckets, and what happens when its model can't keep up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from agents.pipeline.yaml_lines import Path
from models.base import ModelError, OnlineModel
from streams.settings import AgentSettings


def policy_mistakes(agent: AgentSettings) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with the settings by themselves: the key below the agent, and why."""
    yield from _overload_mistakes(agent)
    buckets = agent.batch.buckets
    if any(lower >= upper for lower, upper in pairwise(buckets)):
        yield ("batch", "buckets"), "expected ascending bounds, each once"


def _overload_mistakes(agent: AgentSettings) -> Iterator[tuple[Path, str]]:
    deadline, wait = agent.deadline_seconds, agent.batch.max_wait_seconds
    if agent.overload == "latest":
        if deadline is None:
            yield ("overload",), "latest needs deadline_seconds: from what age on is it too late?"
        elif deadline <= wait:
            message = f"expected more than batch.max_wait_seconds ({wait:g}), or all would expire"
            yield ("deadline_seconds",), message
        return
    if deadline is not None:
        yield ("deadline_seconds",), "only with `overload: latest`: process_all gives nothing up"
    if agent.expired != "filter":
        yield ("expired",), "only with `overload: latest`: process_all gives nothing up"


def require_policies(agent: AgentSettings, model_type: type) -> None:
    """Check that the agent's model can do what its policies ask for.

    Raises:
        ModelError: it can't tell its events' sizes, or must see all of them in order.
    """
    name = model_type.__name__
    if agent.batch.measures and not callable(getattr(model_type, "measure_batch", None)):
        raise ModelError(
            f"model {name} has no measure_batch: without one there can be neither batch.buckets "
            "nor batch.max_batch_weight"
        )
    if not issubclass(model_type, OnlineModel):
        return
    if agent.isolation == "process":
        raise ModelError(
            f"isolation: process is for models that don't learn, and {model_type.name} does: its "
            "state lives in the worker: leave isolation out"
        )
    if agent.overload == "latest":
        raise ModelError(
            f"model {name} learns from the stream and must see every event: "
            "`overload: latest` would make its state depend on how busy the worker was"
        )
    if agent.batch.buckets:
        raise ModelError(f"model {name} learns in the order of offsets: it can have no buckets")
