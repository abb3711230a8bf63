"""Settings from plain values: every mistake at once, with its path, and never a value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.pipeline.validation import Mistake, validate
from streams.settings import ModelSettings, PipelineSettings

AGENT = {"input": "a", "output": "b", "model": "m"}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def mistakes(agent: dict[str, Any], *texts: tuple[str, ...], **sections: Any) -> list[str]:
    value = {"agents": {"a": {**AGENT, **agent}}, **sections}
    found = validate(value, frozenset(texts))
    assert isinstance(found, list)
    return [f"{'.'.join(map(str, m.path))}: {m.message}" for m in found]


def test_every_mistake_is_found_at_once() -> None:
    wrong = {
        "codec": 1,
        "concurrency": 65,
        "batch": {"max_wait_seconds": 61, "x": 1},
        "expired": "",
    }
    assert mistakes(wrong, metrics={"port": -1}, state=None) == [
        "agents.a.codec: expected a text, got a whole number",
        "agents.a.expired: expected one of filter, dead_letter",
        "agents.a.batch.max_wait_seconds: expected a number <= 60",
        "agents.a.batch.x: unknown key: expected one of max_batch_size, max_wait_seconds",
        "agents.a.concurrency: expected a whole number <= 64",
        "metrics.port: expected a whole number >= 0",
        "state: expected a mapping, got nothing",
    ]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (5, "agents.a.model: expected a text or a mapping, got a whole number"),
        ({"nmae": "m"}, "agents.a.model.nmae: unknown key: did you mean 'name'?"),
        ({}, "agents.a.model: the key 'name' is missing"),
        ({"name": 5}, "agents.a.model.name: expected a text, got a whole number"),
        ({"name": "m", "options": []}, "agents.a.model.options: expected a mapping, got a list"),
    ],
)
def test_a_model_is_judged_by_the_form_it_has(model: Any, message: str) -> None:
    assert mistakes({"model": model}) == [message]


def test_a_kafka_setting_is_any_scalar() -> None:
    assert mistakes({}, kafka={"acks": ["all"]}) == [
        "kafka.acks: expected a text, a whole number, a number or a truth value, got a list"
    ]


def test_a_number_from_outside_may_be_a_text_and_no_other() -> None:
    port = ("metrics", "port")
    value = {"agents": {"a": AGENT}, "metrics": {"port": "80"}}
    checked = validate(value, frozenset([port]))
    assert isinstance(checked, PipelineSettings)
    assert checked.metrics.port == 80
    assert mistakes({}, metrics={"port": "80"}) == [
        "metrics.port: expected a whole number, got a text"
    ]
    assert mistakes({}, port, metrics={"port": "x"}) == [
        "metrics.port: expected a whole number, got a text"
    ]
    assert mistakes({}, port, metrics={"port": "70000"}) == [
        "metrics.port: expected a whole number <= 65535"
    ]


def test_options_keep_their_values() -> None:
    options = {"a": [1, 1.5, None, True, {"b": "007"}], "c": 10**30, "d": "é"}
    value = {"agents": {"a": {**AGENT, "model": {"name": "m", "options": options}}}}
    checked = validate(value, frozenset())
    assert isinstance(checked, PipelineSettings)
    assert checked.agents["a"].model == ModelSettings(name="m", options=options)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*AGENT, "batch", "limits", "zz"]), VALUES), VALUES)
def test_any_value_gives_settings_or_mistakes(agent: dict[str, Any], kafka: Any) -> None:
    found = validate({"agents": {"a": {**AGENT, **agent}}, "kafka": kafka}, frozenset())
    assert isinstance(found, PipelineSettings) or all(isinstance(m, Mistake) for m in found)
    assert found
