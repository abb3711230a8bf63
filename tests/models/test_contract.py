"""Checks that every registered model must pass; registering a new model adds it here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.base import Model, ModelError, PreparedModel
from models.nlu.pretrained import MINILM_PACKAGE
from models.registry import make_model, model_class, model_names
from schemas import InputError
from tests.conftest import skip_or_fail
from tests.models.contract import (
    FILE_OPTIONS,
    MINILM_MODELS,
    assert_alike,
    events_for,
    make_registered,
    results_of,
)
from tests.models.hostile import answer_each, hostile_events

#: Another batch shape sums float32 in another order.
TOLERANCE = 1e-4


@pytest.fixture(scope="module", params=model_names())
def model(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Model[Any, Any]]:
    if request.param in MINILM_MODELS and find_spec(MINILM_PACKAGE) is None:
        skip_or_fail("the extra `demo` is not installed: no MiniLM")
    if request.param == "hibari" and find_spec("hibari") is None:
        skip_or_fail("the extra `demo` is not installed: no hibari-tts")
    made = make_registered(request.param, tmp_path_factory.mktemp(request.param))
    made.load("cpu")
    made.warm_up()
    yield made
    made.close()


def test_n_events_give_n_answers_of_the_declared_type(model: Model[Any, Any]) -> None:
    expected = model.result_type or dict
    for count in (1, 2, 9):
        answers = model.predict_batch(events_for(model.event_type, count))
        assert len(answers) == count
        assert all(isinstance(r, expected) for answer in answers for r in results_of(answer))


def test_answers_can_be_serialized(model: Model[Any, Any]) -> None:
    for answer in model.predict_batch(events_for(model.event_type, 5)):
        again = msgspec.json.decode(msgspec.json.encode(answer))
        assert_alike(again, answer, tolerance=0)


def test_events_are_not_changed(model: Model[Any, Any]) -> None:
    batch = events_for(model.event_type, 7)
    before = msgspec.msgpack.encode(batch)
    model.predict_batch(batch)
    assert msgspec.msgpack.encode(batch) == before


def test_an_answer_does_not_depend_on_the_batch(model: Model[Any, Any]) -> None:
    batch = events_for(model.event_type, 9)
    together = model.predict_batch(batch)
    for event, answer in zip(batch, together, strict=True):
        (alone,) = model.predict_batch([event])
        assert_alike(alone, answer, TOLERANCE)
    for answer, turned in zip(together, model.predict_batch(batch[::-1])[::-1], strict=True):
        assert_alike(turned, answer, TOLERANCE)


def test_many_threads_can_prepare_batches_at_once(model: Model[Any, Any]) -> None:
    if not isinstance(model, PreparedModel):
        return  # all of it runs on the device's thread
    batches = [events_for(model.event_type, count) for count in range(1, 5)]
    with ThreadPoolExecutor(4) as pool:
        prepared = list(pool.map(model.prepare_batch, batches))
    for batch, ready in zip(batches, prepared, strict=True):
        for actual, expected in zip(
            model.predict_prepared(ready), model.predict_batch(batch), strict=True
        ):
            assert not isinstance(actual, InputError)
            assert_alike(actual, expected, TOLERANCE)


def test_a_model_has_a_name_and_a_version(model: Model[Any, Any]) -> None:
    assert model.name in model_names()
    assert model_class(model.name) is type(model)
    assert model.version


def test_an_empty_batch_has_no_answers(model: Model[Any, Any]) -> None:
    assert list(model.predict_batch([])) == []


def test_another_instance_gives_the_same_answers(model: Model[Any, Any], tmp_path: Path) -> None:
    """To the last digit: nothing depends on the process, the clock or what was answered before."""
    batch = events_for(model.event_type, 9)
    again = make_registered(model.name, tmp_path)
    again.load("cpu")
    for answer, expected in zip(
        again.predict_batch(batch), model.predict_batch(batch), strict=True
    ):
        assert_alike(answer, expected, tolerance=0)
    assert again.version == model.version
    again.close()


def test_hostile_events_are_answered_or_refused_and_hurt_no_neighbor(
    model: Model[Any, Any],
) -> None:
    good, hostile = events_for(model.event_type, 3), hostile_events(model.event_type)
    assert len(hostile) >= 5
    alone = model.predict_batch(good)
    batch = [good[0], *hostile, *good[1:]]
    answers = answer_each(model, batch)
    assert len(answers) == len(batch)
    for answer, expected in zip([answers[0], *answers[-2:]], alone, strict=True):
        assert_alike(answer, expected, TOLERANCE)
    for event, answer in zip(hostile, answers[1:-2], strict=True):
        for result in results_of(answer):
            if not isinstance(result, InputError):
                assert isinstance(result, model.result_type or dict), event
                assert not _numbers_that_are_none(msgspec.to_builtins(result)), event
            else:
                assert 0 < len(str(result)) < 1000
    for answer, expected in zip(model.predict_batch(good), alone, strict=True):
        assert_alike(answer, expected, TOLERANCE)


def _numbers_that_are_none(value: Any) -> list[float]:
    """Return the NaNs and infinities in a result: JSON has no such numbers."""
    if isinstance(value, dict):
        return [n for item in value.values() for n in _numbers_that_are_none(item)]
    if isinstance(value, list | tuple):
        return [n for item in value for n in _numbers_that_are_none(item)]
    return [value] if isinstance(value, float) and not math.isfinite(value) else []


@pytest.mark.parametrize("name", model_names())
def test_unknown_option_is_refused_by_name(name: str) -> None:
    with pytest.raises(ModelError, match="unknown option no_such_option"):
        make_model(model_class(name), {"no_such_option": 1})


# `tacotron2` has a folder by default.
@pytest.mark.parametrize("name", sorted(set(FILE_OPTIONS) - {"tacotron2"}))
def test_the_error_names_a_missing_file(name: str) -> None:
    with pytest.raises(ModelError, match="path"):
        make_model(model_class(name), {})


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        ({"a": 1.0}, {"a": 1.001}),
        ({"a": 1.0}, {"b": 1.0}),
        ([1.0], [1.0, 2.0]),
        ("a", "b"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}),
        (1.0, float("nan")),
        (InputError("one"), InputError("another")),
        ({}, InputError("one")),
    ],
)
def test_the_comparison_detects_differences(actual: Any, expected: Any) -> None:
    """Otherwise the checks above could not fail."""
    with pytest.raises(AssertionError):
        assert_alike(actual, expected, TOLERANCE)
