"""Check what the settings' types can't: names that must exist, topics that must not loop."""

from __future__ import annotations

import difflib
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents.pipeline.input_fields import input_mistakes
from agents.pipeline.registry_rules import registry_mistakes
from agents.pipeline.validation import Mistake, did_you_mean
from models.registry import model_names
from schemas import CODECS, EVENT_TYPES, make_codec
from streams.kafka.errors import BrokerSettingsError
from streams.kafka.login import login_mistake
from streams.kafka.settings import OTHER_SETTINGS, SETTINGS, aiokafka_arguments
from streams.settings import NAME, REGISTRY_CODECS, AgentSettings, PipelineSettings

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]*")
_NAMES_IN_KAFKA = {
    "group.id": ": it begins the name of each state topic",
    "group.instance.id": "",  # Kafka's own rule
}
_MAX_TOPIC_LENGTH = 249  # org.apache.kafka.common.internals.Topic


def rule_mistakes(settings: PipelineSettings) -> Iterator[Mistake]:
    """Yield every mistake in how the agents, their names and their topics fit together."""
    for name, agent in settings.agents.items():
        for key, message in (*_name_mistakes(agent), *_overload_mistakes(agent)):
            yield Mistake(("agents", name, key), message)
        for path, message, is_about_key in input_mistakes(agent):
            yield Mistake(("agents", name, *path), message, is_about_key)
    yield from registry_mistakes(settings)
    yield from kafka_mistakes(settings.kafka)
    yield from _state_topic_mistakes(settings)
    yield from _shared_inputs(settings)
    yield from _loops(settings)
    yield from _unused_topics(settings)


def _unused_topics(settings: PipelineSettings) -> Iterator[Mistake]:
    known = {t for a in settings.agents.values() for t in (*a.inputs, *a.output_topics)}
    known |= {settings.state_topic(name) for name in settings.agents}
    for topic in settings.topics:
        if topic != "default" and topic not in known:
            hint = did_you_mean(topic, ["default", *sorted(known)])
            yield Mistake(("topics", topic), f"no agent has this topic{hint}", is_about_key=True)


def kafka_mistakes(kafka: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield every unknown Kafka setting, and every value that a setting can't have."""
    for name, reason in _NAMES_IN_KAFKA.items():
        value = str(kafka.get(name, "-"))
        if not NAME.matches(value) or value in (".", ".."):
            yield Mistake(("kafka", name), f"expected {NAME.meaning}{reason}")
    for name, value in kafka.items():
        if name in OTHER_SETTINGS:
            continue
        try:
            aiokafka_arguments({"bootstrap.servers": "-", name: value}, "consumer")
        except BrokerSettingsError as error:
            # Only what was expected: the value may be a secret.
            expected = str(error).rpartition(": ")[2]
            message = expected if name in SETTINGS else _unknown_setting(name, expected)
            yield Mistake(("kafka", name), message, is_about_key=name not in SETTINGS)
    if mistake := login_mistake(kafka):
        yield Mistake(("kafka", "sasl.mechanism"), mistake)


def _unknown_setting(name: str, reason: str) -> str:
    close = difflib.get_close_matches(name, [*SETTINGS, *OTHER_SETTINGS], n=1)
    if close:
        return f"unknown setting: did you mean '{close[0]}'?"
    return reason if not reason.startswith("expected") else f"unknown setting: {reason}"


def _state_topic_mistakes(settings: PipelineSettings) -> Iterator[Mistake]:
    """Check the length of the state topics' names, where the group's name is right by itself."""
    longest = max(map(settings.state_topic, settings.agents), key=len)
    is_used = settings.state.store == "topic" and NAME.matches(settings.group)
    if is_used and len(longest) > _MAX_TOPIC_LENGTH:
        message = (
            f"the state topic '{longest}' would have {len(longest)} characters, Kafka allows "
            f"{_MAX_TOPIC_LENGTH}: shorten this or the agent's name, or set state.store"
        )
        yield Mistake(("kafka", "group.id"), message)


def _name_mistakes(agent: AgentSettings) -> Iterator[tuple[str, str]]:
    is_event_known = not _is_plain(agent.event) or agent.event in ("", *EVENT_TYPES)
    if not is_event_known:
        hint = did_you_mean(agent.event, EVENT_TYPES)
        yield "event", f"no event type '{agent.event}'{hint} (your own: ./file.py:Class)"
    codecs = [*CODECS, *REGISTRY_CODECS]
    if agent.codec not in codecs:
        yield "codec", f"no codec '{agent.codec}'{did_you_mean(agent.codec, codecs)}"
    elif agent.codec in CODECS and agent.event in EVENT_TYPES:
        try:
            make_codec(agent.codec, EVENT_TYPES[agent.event])
        except ValueError as error:
            yield "codec", str(error)
    model = agent.model_name
    if _is_plain(model) and model not in model_names() and not pathlib.Path(model).is_dir():
        hint = did_you_mean(model, model_names())
        yield "model", f"no model '{model}'{hint} (your own: ./file.py:Class, ./model.onnx)"


def _is_plain(name: str) -> bool:
    return _PLAIN_NAME.fullmatch(name) is not None


def _overload_mistakes(agent: AgentSettings) -> Iterator[tuple[str, str]]:
    deadline, wait = agent.deadline_seconds, agent.batch.max_wait_seconds
    if agent.overload == "latest":
        if deadline is None:
            yield "overload", "latest needs deadline_seconds: the age above which events expire"
        elif deadline <= wait:
            message = f"expected more than batch.max_wait_seconds ({wait:g}), or all would expire"
            yield "deadline_seconds", message
        return
    if deadline is not None:
        yield "deadline_seconds", "only with `overload: latest`: process_all drops nothing"
    if agent.expired != "filter":
        yield "expired", "only with `overload: latest`: process_all drops nothing"


def _shared_inputs(settings: PipelineSettings) -> Iterator[Mistake]:
    readers: dict[str, str] = {}
    for name, agent in settings.agents.items():
        for topic in sorted({t for t in agent.inputs if agent.inputs.count(t) > 1}):
            yield Mistake(("agents", name, "input"), f"'{topic}' is here twice")
        for topic in dict.fromkeys(agent.inputs):
            reader = readers.setdefault(topic, name)
            if reader != name:
                message = (
                    f"agent '{reader}' reads '{topic}' already: one agent a topic"
                    " (for a second one run a second pipeline file with another group.id)"
                )
                yield Mistake(("agents", name, "input"), message)


def _loops(settings: PipelineSettings) -> Iterator[Mistake]:
    for name, agent in settings.agents.items():
        written = [("output", agent.output), ("updates", agent.updates)]
        written += [("dead_letters", topic) for topic in agent.dead_letter_topics]
        for i, (key, topic) in enumerate(written):
            if topic is None:
                continue
            if topic in (other for _, other in written[:i]):
                message = f"'{topic}' is this agent's topic for something else already"
                yield Mistake(("agents", name, key), message)
            # Side records end where they go: no agent answers them.
            is_carried_on = key != "output" or agent.route == "partition"
            reached = _reached(topic, settings) if is_carried_on else {topic}
            for back in (t for t in agent.inputs if t in reached):
                message = f"a loop: what goes to '{topic}' comes back to '{back}'"
                yield Mistake(("agents", name, key), message)


def _reached(topic: str, settings: PipelineSettings) -> set[str]:
    """Return the topic and every topic that agents carry its records on to.

    Side records, which have a route, are not carried on: no agent answers them.
    """
    reached, ahead = set[str](), [topic]
    while ahead:
        here = ahead.pop()
        if here not in reached:
            reached.add(here)
            ahead += [
                topic
                for agent in settings.agents.values()
                if here in agent.inputs
                for topic in agent.output_topics
                if agent.route == "partition" or topic != agent.output
            ]
    return reached
