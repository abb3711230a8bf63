"""Every registered model says what people ask first."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.catalog import CATALOG, count_parameters
from models.registry import model_names
from tests.models.contract import FILE_OPTIONS

MODELS = Path(__file__).parents[2] / "models"


def test_the_catalog_has_the_registered_models_and_no_others() -> None:
    assert sorted(CATALOG) == model_names(), "models/catalog.py: add or remove a model"


@pytest.mark.parametrize("name", model_names())
def test_the_facts_are_whole(name: str) -> None:
    facts = CATALOG[name]
    assert facts.task
    assert facts.licence == "Apache-2.0"
    assert bool(facts.weights or name in FILE_OPTIONS) <= bool(facts.weights_licence)
    # A model that only reads a user's file has no method of its own.
    assert facts.paper or name.startswith("onnx_")
    assert all((MODELS / file).is_file() for file in facts.weights)


def test_all_shipped_weights_belong_to_a_model() -> None:
    shipped = {str(path.relative_to(MODELS)) for path in MODELS.rglob("*.safetensors")}
    assert shipped == {file for facts in CATALOG.values() for file in facts.weights}


def test_parameters_are_counted_from_the_header() -> None:
    assert count_parameters(MODELS / "nlu/weights/head.safetensors") == 384 * 13 + 13
