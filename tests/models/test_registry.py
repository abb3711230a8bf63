from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from models.base import Model, ModelError
from models.registry import make_model, model_class, model_names, register
from schemas import Event, SensorReading
from tests.conftest import REPO


class Doubler(Model[SensorReading, dict[str, float]]):
    name = "doubler"

    def __init__(self, factor: float = 2.0) -> None:
        if factor <= 0:
            raise ValueError(f"factor is {factor}: expected a number above 0")
        self.factor = factor

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[dict[str, float]]:
        return [{k: v * self.factor for k, v in event.values.items()} for event in batch]


class TakesAnything(Model[Event, dict[str, float]]):
    def __init__(self, **options: float) -> None:
        self.options = options


@pytest.mark.parametrize("name", model_names())
def test_a_registered_class_has_its_registered_name(name: str) -> None:
    cls = model_class(name)
    assert issubclass(cls, Model)
    assert cls.name == name
    assert issubclass(cls.event_type, Event)


def test_the_error_for_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no model 'absent': expected one of .*onnx_tabular"):
        model_class("absent")


def test_a_name_can_be_registered_once() -> None:
    with pytest.raises(ValueError, match="'onnx_tabular' is already registered"):
        register("onnx_tabular", "somewhere:Else")


def test_options_become_keyword_arguments() -> None:
    made = make_model(Doubler, {"factor": 3.0})
    assert made.predict_batch([SensorReading(values={"a": 2.0})]) == [{"a": 6.0}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"faktor": 3}, r"Doubler: unknown option faktor \(its options: factor\)"),
        ({"factor": -1}, "Doubler: factor is -1"),
        ({"factor": "many"}, "Doubler: .*not supported"),
    ],
)
def test_the_error_for_wrong_options_says_what_is_wrong(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        make_model(Doubler, options)


def test_a_model_with_keyword_arguments_gets_any_option() -> None:
    made = make_model(TakesAnything, {"anything": 1.0})
    assert isinstance(made, TakesAnything)
    assert made.options == {"anything": 1.0}


def test_importing_and_creating_models_imports_nothing_heavy() -> None:
    """Run in a new process: this one has imported everything already."""
    heavy = ["torch", "onnxruntime", "transformers", "sklearn", "river", "matplotlib", "faust"]
    code = (
        "import sys; from models.registry import model_class, model_names\n"
        "for name in model_names(): model_class(name)\n"
        f"print(sorted(set({heavy}) & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert run.stderr == ""
    assert run.stdout.strip() == "[]"
