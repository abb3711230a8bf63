"""What follows from a changed pipeline file for topics, positions and learned state."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from agents.commands.diff.learned_state import state_problem
from agents.pipeline.topics import learning_agents, plan_topics
from streams.settings import AgentSettings, PipelineSettings

Weight = Literal["note", "warning"]
#: Fields whose change is told by what follows from it.
_TOLD = frozenset({"input", "output", "updates", "dead_letters"})


class Consequence(msgspec.Struct, frozen=True):
    """One thing that a restart will do."""

    about: str
    """`pipeline`, `topic NAME`, or `agent NAME`."""
    weight: Weight
    """`warning`: records, results or learned state may be affected for good."""
    text: str


def consequences(
    old: PipelineSettings, new: PipelineSettings, old_dir: Path, new_dir: Path
) -> list[Consequence]:
    """Return what a restart with another file will do, the pipeline's own settings first.

    Args:
        old: the settings that run now.
        new: those of the next start.
        old_dir: where the old file's relative paths start.
        new_dir: the same of the new file.

    Raises:
        ModelError: a model of either file does not exist.
    """
    return [
        *_of_pipeline(old, new),
        *_of_agents(old, new, old_dir, new_dir),
        *_of_topics(old, new, old_dir, new_dir),
    ]


def _of_pipeline(old: PipelineSettings, new: PipelineSettings) -> Iterator[Consequence]:
    if old.group != new.group:
        policy = str(new.kafka.get("auto.offset.reset", "earliest"))
        yield Consequence(
            "pipeline", "warning",
            f"the group is {new.group} instead of {old.group}: it has no offsets of the old one. "
            f"Without offsets of its own it begins at `auto.offset.reset` ({policy}), and learned "
            "state in topics of the old group's name is not found",
        )  # fmt: skip
    if _servers(old) != _servers(new):
        yield Consequence(
            "pipeline", "warning",
            f"another cluster ({_servers(new)} instead of {_servers(old)}): offsets, topics and "
            "state in topics stay behind",
        )  # fmt: skip
    if old.guarantee != new.guarantee:
        yield Consequence(
            "pipeline", "note",
            f"guarantee {new.guarantee} instead of {old.guarantee}: stop all workers of the group "
            "before the first with the new file starts",
        )  # fmt: skip
    if old.state.store != new.state.store:
        yield Consequence(
            "pipeline", "warning",
            f"state is kept in {new.state.store!r} instead of {old.state.store!r}: what was "
            "learned is not found there, and models that learn begin afresh",
        )  # fmt: skip
    for field in dataclasses.fields(old):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if field.name in ("metrics", "commit_interval_seconds", "shutdown_timeout_seconds",
                          "liveness_timeout_seconds") and before != after:  # fmt: skip
            yield Consequence("pipeline", "note", f"{field.name}: {_plain(after)} instead of "
                                                  f"{_plain(before)}")  # fmt: skip
    changed = sorted(
        name for name in {*old.kafka, *new.kafka} - {"group.id", "bootstrap.servers"}
        if old.kafka.get(name) != new.kafka.get(name)
    )  # fmt: skip
    if changed:  # by name alone: values may be secrets
        yield Consequence("pipeline", "note", f"client settings change: {', '.join(changed)}")


def _servers(settings: PipelineSettings) -> str:
    return str(settings.kafka.get("bootstrap.servers", ""))


def _plain(value: Any) -> str:
    return str(msgspec.to_builtins(value))


def _of_agents(
    old: PipelineSettings, new: PipelineSettings, old_dir: Path, new_dir: Path
) -> Iterator[Consequence]:
    for name in [n for n in old.agents if n not in new.agents]:
        topics = ", ".join(old.agents[name].inputs)
        yield Consequence(
            f"agent {name}", "warning",
            f"it is gone: records of {topics} wait unread until their retention ends; its state "
            "stays in the store",
        )  # fmt: skip
    for name, agent in new.agents.items():
        if name not in old.agents:
            policy = str(new.kafka.get("auto.offset.reset", "earliest"))
            yield Consequence(
                f"agent {name}", "note",
                f"it is new: it reads {', '.join(agent.inputs)} from the group's offsets, or where "
                f"there are none from {policy}",
            )  # fmt: skip
        else:
            yield from _of_agent(name, old, new, old_dir, new_dir)


def _of_agent(
    name: str, old: PipelineSettings, new: PipelineSettings, old_dir: Path, new_dir: Path
) -> Iterator[Consequence]:
    before, after = old.agents[name], new.agents[name]
    about = f"agent {name}"
    for topic in [t for t in before.inputs if t not in after.inputs]:
        yield Consequence(about, "warning", f"it no longer reads {topic}: records wait there")
    for topic in [t for t in after.inputs if t not in before.inputs]:
        yield Consequence(about, "note", f"it also reads {topic}")
    if before.output != after.output:
        yield Consequence(
            about, "warning",
            f"results go to {after.output} instead of {before.output}: consumers must follow, and "
            "an audit across the change finds them in neither alone",
        )  # fmt: skip
    changed = [
        field.name
        for field in dataclasses.fields(AgentSettings)
        if field.name not in _TOLD and getattr(before, field.name) != getattr(after, field.name)
    ]
    if changed:
        yield Consequence(about, "note", f"settings change: {', '.join(changed)}")
    problem = state_problem(before, after, old_dir, new_dir)
    if problem is None:
        return
    if problem:
        then = "the worker ends" if new.state.on_mismatch == "stop" else "the model begins afresh"
        yield Consequence(
            about, "warning",
            f"what it has learned does not fit: {problem}. {then} (state.on_mismatch: "
            f"{new.state.on_mismatch})",
        )  # fmt: skip
    else:
        yield Consequence(about, "note", "what it has learned is kept")


def _of_topics(
    old: PipelineSettings, new: PipelineSettings, old_dir: Path, new_dir: Path
) -> Iterator[Consequence]:
    before = {p.topic: p for p in plan_topics(old, {}, learning_agents(old, old_dir))}
    after = {p.topic: p for p in plan_topics(new, {}, learning_agents(new, new_dir))}
    for topic, planned in after.items():
        if topic not in before:
            yield Consequence(
                f"topic {topic}", "note",
                f"it is needed as {planned.role} of {', '.join(planned.agents)}: `penstock topics "
                f"create` makes it if it is absent, with {planned.wanted.partitions} partitions",
            )  # fmt: skip
        elif before[topic].wanted != planned.wanted:
            yield Consequence(
                f"topic {topic}", "note",
                "its settings under `topics` change: an existing topic stays as it is",
            )  # fmt: skip
    for topic, planned in before.items():
        if topic not in after:
            yield Consequence(
                f"topic {topic}", "note", f"it is no longer used ({planned.role}), and stays there"
            )
