"""Sources taken out of snapshots and put together again answer as if they had never moved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.base import ModelError
from models.keyed_state import KeyedState, merge_last_seen, most_recent
from models.registry import model_class
from schemas import SensorReading
from tests.models.contract import online_names

SOURCES = [f"pump-{i}" for i in range(7)]
KEYED = [
    "robust_zscore",
    "half_space_trees",
    "seasonal_likelihood",
    "isolation_forest",
    "incremental_pca",
    "random_cut_forest",
    "deep_autoencoder",
    "river_detector",
    "anomaly_ensemble",
]
#: Their keys are channels, two of each source here; the keys of the others are sources.
CHANNEL_KEYS = ["robust_zscore", "seasonal_likelihood"]
#: Their users move, and what they know of items goes along: tests/models/recommendation.
RECOMMENDERS = ["item_cooccurrence", "online_matrix_factorization", "popular_items", "recommender"]
#: Their streams move: tests/models/speech and tests/models/transducer_folder.
RECOGNIZERS = ["speech_recognizer", "transducer_folder"]


#: Small models, whose sources answer after a few readings.
OPTIONS: dict[str, dict[str, Any]] = {
    "seasonal_likelihood": {"min_values": 32, "bins": 24},
    "isolation_forest": {"window": 64, "min_values": 8, "trees": 10, "max_samples": 16}
    | {"refit_every": 40, "delay": 8},
    "incremental_pca": {"window": 4, "min_values": 32},
    "random_cut_forest": {"window": 2, "min_values": 16, "trees": 5, "max_samples": 16},
    "deep_autoencoder": {"window": 2, "min_values": 32, "hidden": 4, "memory": 64}
    | {"first_steps": 4, "steps": 2, "train_every": 8},
    "river_detector": {"window": 16, "min_values": 8, "detector": "loda"},
    "anomaly_ensemble": {
        "members": [
            {"name": "robust_zscore", "options": {"window": 64, "min_values": 8}},
            {"name": "half_space_trees", "options": {"window": 64, "min_values": 8}},
        ]
    },
}


def make(name: str, **options: Any) -> Any:
    small = OPTIONS.get(name, {"window": 64, "min_values": 8})
    return model_class(name)(**{"learn_every": 4, **small, **options})


def readings(source_ids: list[str], count: int, seed: int) -> list[SensorReading]:
    rng = np.random.default_rng(seed)
    return [
        SensorReading(
            source_id=source_ids[i % len(source_ids)],
            values={"bar": float(rng.normal(2.5)), "rpm": float(rng.normal(900, 5))},
        )
        for i in range(count)
    ]


def learn(model: Any, log: list[SensorReading]) -> None:
    for start in range(0, len(log), model.learn_every):
        model.learn_batch(log[start : start + model.learn_every])


def learned(name: str, source_ids: list[str], seed: int = 1, **options: Any) -> Any:
    model = make(name, **options)
    learn(model, readings(source_ids, 400, seed))
    return model


def restored(name: str, state: bytes, **options: Any) -> Any:
    model = make(name, **options)
    model.restore(state)
    return model


def test_the_models_with_a_state_for_each_source_can_move_it() -> None:
    keyed = {name for name in online_names() if issubclass(model_class(name), KeyedState)}
    assert keyed == {*KEYED, *RECOMMENDERS, *RECOGNIZERS}


@pytest.mark.parametrize("name", KEYED)
def test_selecting_every_source_changes_nothing(name: str) -> None:
    model = learned(name, SOURCES)
    state = model.snapshot()
    assert model.select_sources(state, SOURCES) == state
    assert model.merge_sources([state]) == state
    assert sorted(model.learned_values(state)) == SOURCES
    assert len(set(model.learned_values(state).values())) <= 2  # 400 readings of 7 sources


@pytest.mark.parametrize("name", KEYED)
def test_moved_sources_answer_and_learn_as_before(name: str) -> None:
    """Three sources of one model and two of another go to a third; nothing else changes."""
    one, two = learned(name, SOURCES[:4], seed=1), learned(name, SOURCES[4:], seed=2)
    moved = restored(
        name,
        make(name).merge_sources(
            [
                one.select_sources(one.snapshot(), SOURCES[:3]),
                two.select_sources(two.snapshot(), SOURCES[5:]),
            ]
        ),
    )
    for model, source_ids in [(one, SOURCES[:3]), (two, SOURCES[5:])]:
        log = readings(source_ids, 40, seed=3)
        assert moved.predict_batch(log) == model.predict_batch(log)
        learn(moved, log)
        learn(model, log)
        assert moved.predict_batch(log) == model.predict_batch(log)
    unknown = readings([SOURCES[3]], 1, seed=4)
    assert moved.predict_batch(unknown) == make(name).predict_batch(unknown)
    assert moved.predict_batch(unknown) != one.predict_batch(unknown)


@pytest.mark.parametrize("name", KEYED)
def test_merging_nothing_but_an_empty_part_is_an_empty_model(name: str) -> None:
    model = learned(name, SOURCES)
    empty = model.select_sources(model.snapshot(), [])
    assert model.learned_values(empty) == {}
    log = readings(SOURCES, 20, seed=5)
    assert restored(name, empty).predict_batch(log) == make(name).predict_batch(log)


@pytest.mark.parametrize("name", KEYED)
def test_beyond_the_limit_the_sources_seen_last_are_kept(name: str) -> None:
    limit: dict[str, Any] = {"max_keys": 6 if name in CHANNEL_KEYS else 3}
    if name == "anomaly_ensemble":  # its members have limits too
        members = OPTIONS[name]["members"]
        limits = [{"max_keys": 6}, {"max_keys": 3}]
        limit["members"] = [
            {**member, "options": member["options"] | own}
            for member, own in zip(members, limits, strict=True)
        ]
    old = learned(name, SOURCES[:2], **limit)
    new = learned(name, SOURCES[2:5], seed=2, **limit)
    learn(old, readings(SOURCES[:1], 8, seed=3))
    merged = old.merge_sources([old.snapshot(), new.snapshot()])
    kept = old.learned_values(merged)
    assert len(kept) == 3
    assert SOURCES[0] in kept
    assert SOURCES[1] not in kept  # it was not seen in the last two steps of its model


@pytest.mark.parametrize("name", KEYED)
def test_a_source_in_two_snapshots_is_refused(name: str) -> None:
    one, two = learned(name, SOURCES[:2]), learned(name, SOURCES[1:3])
    with pytest.raises(ModelError, match="know the same source"):
        one.merge_sources([one.snapshot(), two.snapshot()])


@pytest.mark.parametrize("name", KEYED)
def test_snapshots_of_other_options_and_damaged_ones_are_refused(name: str) -> None:
    model = learned(name, SOURCES)
    other = make(name, rest=9)
    for state in (other.snapshot(), model.snapshot()[:-1]):
        with pytest.raises(ModelError):
            model.learned_values(state)
        with pytest.raises(ModelError):
            model.select_sources(state, SOURCES)
        with pytest.raises(ModelError):
            model.merge_sources([state])


def test_ages_are_counted_in_steps_before_the_last() -> None:
    last_seen, step = merge_last_seen([(np.array([3, 10]), 10), (np.array([1, 2]), 2)])
    assert (last_seen.tolist(), step) == ([3, 10, 9, 10], 10)
    assert most_recent(last_seen, 2).tolist() == [1, 3]
    assert most_recent(last_seen, 9).tolist() == [0, 1, 2, 3]
