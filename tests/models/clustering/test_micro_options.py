"""The options that the models of micro-clusters share: listed, checked, with own defaults."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

from models.base import ModelError
from models.clustering.micro_model import MicroClusterModel
from models.clustering.micro_options import MicroOptions, SharedOptions
from models.registry import make_model, model_class

NAMES = ("denstream", "clustream", "dbstream")


def made(name: str, **options: Any) -> MicroClusterModel:
    model = make_model(model_class(name), options)
    assert isinstance(model, MicroClusterModel)
    return model


def test_keywords_and_checked_options_are_the_same() -> None:
    assert list(SharedOptions.__annotations__) == [field.name for field in fields(MicroOptions)]


@pytest.mark.parametrize("name", NAMES)
def test_each_model_lists_its_own_and_then_the_shared_options(name: str) -> None:
    parameters = inspect.signature(model_class(name)).parameters
    shared = [field.name for field in fields(MicroOptions)]
    assert list(parameters)[-len(shared) :] == shared
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    model = made(name)
    for option in set(shared) - {"features"}:
        assert getattr(model, option) == parameters[option].default, option


def test_a_model_may_have_another_default() -> None:
    assert made("clustream").max_micro_clusters == 100
    assert made("denstream").learn_every == 32
    assert made("dbstream", learn_every=5).learn_every == 5


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "other"}, "expected one of range, deviation, none"),
        ({"log": 1}, "expected true or false"),
        ({"max_micro_clusters": 1}, "max_micro_clusters is 1"),
        ({"features": [], "max_features": 3}, "features"),
        ({"features": ["a", "b"], "max_features": 1}, "features"),
        ({"half_life_events": 0}, "half_life_events is 0"),
        ({"publish_every": 0}, "publish_every is 0"),
        ({"learn_every": 0}, "learn_every is 0"),
        ({"another": 1}, "unknown option another"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        made(name, **options)
