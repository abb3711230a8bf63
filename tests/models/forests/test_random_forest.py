"""A trained forest answers events by the names of their numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.forests.random_forest import RandomForest
from schemas import BehaviorEvent, Classification, InputError, SensorReading
from tests.models.forests.small_forest import save_small_forest


@pytest.fixture
def model(tmp_path: Path) -> RandomForest:
    made = RandomForest(str(save_small_forest(tmp_path)), top_k=1)
    made.load()
    return made


def test_classes_are_named_whatever_the_order_of_the_features(model: RandomForest) -> None:
    full = SensorReading(source_id="p", values={"pressure_bar": 2.3, "flow_l_min": 60.0})
    idle = BehaviorEvent(
        action="a", features={"flow_l_min": 5.0, "other": 1.0, "pressure_bar": 2.0}
    )
    answers = model.predict_batch([full, idle])
    assert all(isinstance(answer, Classification) for answer in answers)
    assert [answer.label for answer in answers] == ["full", "idle"]  # type: ignore[union-attr]
    assert all(len(answer.top) == 1 for answer in answers)  # type: ignore[union-attr]


def test_an_event_without_a_feature_is_refused_alone(model: RandomForest) -> None:
    bad = SensorReading(source_id="p", values={"flow_l_min": 60.0})
    huge = SensorReading(source_id="p", values={"flow_l_min": 1e200, "pressure_bar": 1.0})
    good = SensorReading(source_id="p", values={"flow_l_min": 1e60, "pressure_bar": 2.0})
    one, two, three = model.predict_batch([bad, huge, good])
    assert isinstance(one, InputError)
    assert "pressure_bar" in str(one)
    assert isinstance(two, InputError)
    assert isinstance(three, Classification)
