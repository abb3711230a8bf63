"""The forest learns from late labels, follows a change, and refuses what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.evaluation import answer_stream
from models.forests.adaptive_random_forest import AdaptiveRandomForest
from schemas import BehaviorEvent, Classification, Event, Feedback, InputError


def stream(count: int, delay: int, change_at: int | None = None, seed: int = 0) -> list[Event]:
    """Points in a square whose class is the side of a diagonal; it turns over at `change_at`."""
    chance = np.random.default_rng(seed)
    points = chance.random((count, 3))
    log: list[Event] = []
    for i in range(count + delay):
        if i < count:
            features = dict(zip("abc", points[i].tolist(), strict=True))
            log.append(BehaviorEvent(action="row", features=features, event_id=str(i)))
        if i >= delay:
            log.append(
                Feedback(label=truth(points[i - delay], i - delay, change_at), about=str(i - delay))
            )
    return log


def truth(point: Any, number: int, change_at: int | None) -> str:
    is_above = bool(point[0] + point[1] > 1)
    return "yes" if is_above ^ (change_at is not None and number >= change_at) else "no"


def right_answers(log: list[Event], change_at: int | None = None, **options: Any) -> list[bool]:
    answers = answer_stream(AdaptiveRandomForest(**options), log)
    found = []
    for event, answer in zip(log, answers, strict=True):
        if isinstance(event, BehaviorEvent):
            assert isinstance(answer, Classification)
            number = int(event.event_id)
            point = list(event.features.values())
            found.append(answer.label == truth(point, number, change_at))
        else:
            assert answer is None
    return found


@pytest.mark.parametrize("delay", [1, 200])
def test_it_learns_labels_that_come_late(delay: int) -> None:
    right = right_answers(stream(3000, delay))
    assert np.mean(right[-1000:]) > 0.9


def test_it_follows_a_change() -> None:
    right = right_answers(stream(6000, 20, change_at=3000), change_at=3000)
    assert np.mean(right[2500:3000]) > 0.9
    assert np.mean(right[3020:3060]) < 0.7
    assert np.mean(right[-1000:]) > 0.9


def test_accuracy_is_that_of_the_labels() -> None:
    model = AdaptiveRandomForest(accuracy_window=500)
    answer_stream(model, stream(2000, 5))
    num_right, num_labels = model.label_sums()
    assert 0.85 < num_right / num_labels <= 1.0
    assert 450 < num_labels <= 500


def test_other_events_and_labels_without_room_are_counted_or_refused() -> None:
    model = AdaptiveRandomForest(features=["a"], max_classes=2)
    good = [
        BehaviorEvent(action="x", features={"a": 1.0, "z": 9.0}, event_id=str(i)) for i in range(3)
    ]
    labels = [Feedback(label=str(i), about=str(i)) for i in range(3)]
    bad = BehaviorEvent(action="x", features={"b": 1.0}, event_id="bad")
    answers = answer_stream(model, [*good, bad, *labels, Feedback(label="1", about="bad")])
    assert isinstance(answers[3], InputError)
    assert model.take_incidents() == {"label_too_late": 0, "label_unknown": 1, "refused_class": 1}


def test_before_the_first_label_the_class_is_empty() -> None:
    (answer,) = AdaptiveRandomForest().predict_batch(
        [BehaviorEvent(action="x", features={"a": 1.0})]
    )
    assert isinstance(answer, Classification)
    assert (answer.label, answer.class_id, answer.score) == ("", -1, 0.0)


@pytest.mark.parametrize("array", ["node_left", "roots", "node_feature"])
def test_a_forest_whose_nodes_lead_nowhere_is_refused(array: str) -> None:
    from models.forests.adaptive_forest import AdaptiveForest
    from models.snapshots import pack, unpack

    forest = AdaptiveForest(2, 3, 50, 0)
    chance = np.random.default_rng(0)
    rows = chance.random((2000, 3))
    for i in range(0, 2000, 50):
        part = rows[i : i + 50]
        forest.learn(part, (part[:, 0] > 0.5).astype(np.int64), 2, np.arange(i, i + 50))
    arrays = {name: values.copy() for name, values in forest.arrays().items()}
    arrays[array][arrays[array].argmax()] = 10_000
    state = pack("m", 1, {}, {}, arrays)
    with pytest.raises(ModelError, match="damaged"):
        AdaptiveForest(2, 3, 50, 0).load(unpack(state, "m", 1, {}))


@pytest.mark.parametrize("features", [[], "a", ["a", "a"]])
def test_features_must_be_different_names(features: Any) -> None:
    with pytest.raises(ValueError, match="features"):
        AdaptiveRandomForest(features=features)
