"""Checks that every registered online model must pass as well: same log, same answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from models.base import ModelError, OnlineModel
from models.registry import model_class
from schemas import (
    AudioChunk,
    ClusterReport,
    DetectedFrame,
    Event,
    Feedback,
    InputError,
    Interaction,
    TextMessage,
)
from streams.joint_calls import answer_each, learn_each
from streams.model_protocols import SharingModel
from tests.models.contract import (
    assert_alike,
    events_for,
    make_registered,
    online_names,
    online_params,
    results_of,
)

#: Sums of float64 in another order.
_NUMBERS = 1e-9
#: Sentence vectors: another batch shape sums float32 in another order.
_TEXTS = 1e-4


def tolerance(name: str) -> float:
    """Return by how much answers may differ in another batch."""
    return _TEXTS if model_class(name).event_type is TextMessage else _NUMBERS


class Run(NamedTuple):
    """The answers and updates of a model for a log."""

    answers: list[Any]
    updates: list[Any]


@pytest.fixture(params=online_params())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def fresh(name: str, folder: Path) -> OnlineModel[Any, Any]:
    model = make_registered(name, folder)
    assert isinstance(model, OnlineModel)
    model.load("cpu")
    return model


def drive(model: OnlineModel[Any, Any], log: Sequence[Event], micro: int) -> Run:
    """Do as the engine does: steps of `learn_every`, each predicted in batches of `micro`."""
    run = Run([], [])
    for start in range(0, len(log), model.learn_every):
        step = log[start : start + model.learn_every]
        for at in range(0, len(step), micro):
            run.answers.extend(model.predict_batch(step[at : at + micro]))
        model.learn_batch(step)
        run.updates.append(model.update())
    return run


def log_of(model: OnlineModel[Any, Any], steps: int) -> list[Event]:
    """Return at least `steps` whole steps and 800 events, so that every model has warmed up.

    Where a model gets late labels, every other record is one, of the event 41 records before.
    """
    steps = max(steps, -(-800 // model.learn_every))
    events = events_for(model.event_type, steps * model.learn_every)
    if Feedback in model.side_types:
        for i in range(1, len(events), 2):
            events[i] = Feedback(
                source_id="c-0", label=f"k-{i % 3}", answer=f"in:0:{max(i - 41, 0)}"
            )
    return events


@pytest.mark.parametrize("micro", [1, 7])
def test_answers_and_state_do_not_depend_on_the_micro_batches(
    name: str, micro: int, tmp_path: Path
) -> None:
    one, other = fresh(name, tmp_path), fresh(name, tmp_path)
    log = log_of(one, steps=8)
    whole, cut = drive(one, log, micro=one.learn_every), drive(other, log, micro)
    for actual, expected in zip(cut.answers, whole.answers, strict=True):
        assert_alike(actual, expected, tolerance(name))
    assert cut.updates == whole.updates
    assert one.snapshot() == other.snapshot()


def test_learning_changes_the_answers(name: str, tmp_path: Path) -> None:
    """Otherwise the check above would pass for a model that learns nothing."""
    model = fresh(name, tmp_path)
    log = log_of(model, steps=8)
    unlearned, state = list(model.predict_batch(log)), model.snapshot()
    learned = drive(model, log, micro=model.learn_every).answers
    assert [learned, list(model.predict_batch(log))] != [unlearned, unlearned]
    assert model.snapshot() != state


def test_answering_and_warming_up_do_not_change_the_state(name: str, tmp_path: Path) -> None:
    model = fresh(name, tmp_path)
    empty = model.snapshot()
    model.warm_up()
    model.predict_batch(log_of(model, steps=1))
    assert model.snapshot() == empty


def test_a_restored_model_continues_as_if_it_had_not_stopped(name: str, tmp_path: Path) -> None:
    steady, stopped, resumed = (fresh(name, tmp_path) for _ in range(3))
    log = log_of(steady, steps=8)
    half = len(log) // steady.learn_every // 2 * steady.learn_every  # whole steps
    through = drive(steady, log, micro=5)
    drive(stopped, log[:half], micro=5)
    resumed.restore(stopped.snapshot())
    assert resumed.snapshot() == stopped.snapshot()
    rest = drive(resumed, log[half:], micro=5)
    for actual, expected in zip(rest.answers, through.answers[half:], strict=True):
        assert_alike(actual, expected, tolerance(name))
    assert rest.updates == through.updates[len(through.updates) - len(rest.updates) :]
    assert resumed.snapshot() == steady.snapshot()


def test_bytes_that_are_no_snapshot_are_refused_and_change_nothing(
    name: str, tmp_path: Path
) -> None:
    model = fresh(name, tmp_path)
    drive(model, log_of(model, steps=2), micro=5)
    state = model.snapshot()
    others = [fresh(other, tmp_path).snapshot() for other in online_names() if other != name]
    damaged = state[:-1] + bytes([state[-1] ^ 1])
    for wrong in (b"", b"\x80\x04N.", state[: len(state) // 2], damaged, *others):
        with pytest.raises(ModelError):
            model.restore(wrong)
    assert model.snapshot() == state


def test_empty_and_short_steps_can_be_learned(name: str, tmp_path: Path) -> None:
    model = fresh(name, tmp_path)
    model.learn_batch([])
    model.learn_batch(events_for(model.event_type, 1))
    assert len(model.predict_batch(events_for(model.event_type, 3))) == 3


def test_a_new_or_missing_feature_affects_at_most_its_event(name: str, tmp_path: Path) -> None:
    """An answer or an `InputError` for the odd event; its neighbors as if it were not there."""
    model = fresh(name, tmp_path)
    log = log_of(model, steps=8)
    drive(model, log, micro=5)
    good = log[:2]
    odd = _with_other_features(log[2])
    answers = model.predict_batch([good[0], odd, good[1]])
    expected_types = (model.result_type or dict, InputError)
    assert all(isinstance(result, expected_types) for result in results_of(answers[1]))
    for actual, expected in zip([answers[0], answers[2]], model.predict_batch(good), strict=True):
        assert_alike(actual, expected, tolerance(name))
    model.learn_batch([good[0], odd, good[1]])


def _with_other_features(event: Event) -> Event:
    if isinstance(event, TextMessage):
        return replace(event, text="\x00 \u200b")
    if isinstance(event, AudioChunk):
        return replace(event, sample_rate_hz=48_000)
    if isinstance(event, DetectedFrame):
        return replace(event, detections=event.detections[1:])
    if isinstance(event, ClusterReport):
        first = replace(event.clusters[0], center={"seconds": 30.0, "brand_new": 1.0})
        return replace(event, clusters=[first, *event.clusters[1:]])
    if isinstance(event, Interaction):
        return replace(event, source_id="someone new", item="brand new")
    field = "values" if hasattr(event, "values") else "features"
    numbers = dict(getattr(event, field))
    numbers.popitem()
    return replace(event, **{field: numbers | {"brand_new": 1.0}})


def test_state_does_not_grow_with_the_log(name: str, tmp_path: Path) -> None:
    """By default no model keeps more than 2,400 events of a source."""
    model = fresh(name, tmp_path)
    log = [replace(event, source_id="one") for event in events_for(model.event_type, 800)]
    sizes = []
    for _ in range(6):
        drive(model, log, micro=model.learn_every)
        sizes.append(len(model.snapshot()))
    # Numbers as text vary in length; a byte for each event would be 2,400.
    assert max(sizes[3:]) <= 1.01 * max(sizes[:3]) + 512


@pytest.mark.parametrize("seed", range(3))
def test_other_partitions_change_no_answer(name: str, seed: int, tmp_path: Path) -> None:
    """Partitions side by side, in any order and as the engine joins them, against each alone."""
    dice = random.Random(seed)
    models = [fresh(name, tmp_path) for _ in range(3)]
    for model in models[1:]:
        join(model, models[0])
    logs = [_of_partition(log_of(models[0], steps=8), partition) for partition in range(3)]
    every = models[0].learn_every
    runs = [Run([], []) for _ in models]
    while active := [i for i, run in enumerate(runs) if len(run.answers) < len(logs[i])]:
        chosen = sorted(dice.sample(active, dice.randint(1, len(active))))
        steps = [logs[i][len(runs[i].answers) : len(runs[i].answers) + every] for i in chosen]
        for i, answers in zip(chosen, answer_each([models[i] for i in chosen], steps), strict=True):
            runs[i].answers.extend(answers)
        assert all(learn_each([models[i] for i in chosen], steps))
        for i in chosen:
            runs[i].updates.append(models[i].update())
    for model, log, run in zip(models, logs, runs, strict=True):
        alone = fresh(name, tmp_path)
        expected = drive(alone, log, micro=every)
        for answer, expected_answer in zip(run.answers, expected.answers, strict=True):
            assert_alike(answer, expected_answer, tolerance(name))
        assert run.updates == expected.updates
        assert model.snapshot() == alone.snapshot()


def join(model: OnlineModel[Any, Any], other: OnlineModel[Any, Any]) -> None:
    """Do as the engine does with a partition's new model, where the models can share."""
    if isinstance(model, SharingModel):
        model.join(other)


def test_a_joined_partition_moves_and_makes_room(name: str, tmp_path: Path) -> None:
    """A snapshot is restored into a joined instance; one that closes disturbs no other."""
    first, second, third, fourth = (fresh(name, tmp_path) for _ in range(4))
    join(second, first)
    log, other = (_of_partition(log_of(first, steps=8), partition) for partition in range(2))
    drive(first, log, micro=5)
    drive(second, other, micro=5)
    state, kept = first.snapshot(), second.snapshot()
    first.close()
    join(third, second)
    third.restore(state)
    join(fourth, second)
    drive(fourth, other, micro=5)
    assert third.snapshot() == state
    assert second.snapshot() == kept == fourth.snapshot()


@pytest.mark.parametrize(
    "joined", [n for n in online_names() if hasattr(model_class(n), "learn_joined")]
)
def test_a_joint_step_that_fails_changes_no_model(joined: str, tmp_path: Path) -> None:
    """The engine then lets each model learn alone, to find the one whose step is bad."""
    first, second = fresh(joined, tmp_path), fresh(joined, tmp_path)
    join(second, first)
    log = log_of(first, steps=8)
    for model in (first, second):
        drive(model, log, micro=5)
    states = first.snapshot(), second.snapshot()
    with pytest.raises(AttributeError):
        first.learn_joined([first, second], [log[:3], [object()]])  # type: ignore[attr-defined]
    assert (first.snapshot(), second.snapshot()) == states
    assert learn_each([first, second], [log[:3], [object()]]) == [True, False]
    first.restore(states[0])
    assert learn_each([first], [log[:3]]) == [True]


def _of_partition(log: list[Event], partition: int) -> list[Event]:
    """Return a log's events from another place on, as if of other sources."""
    at = 37 * partition
    return [
        replace(event, source_id=f"{event.source_id}-{partition}") for event in log[at:] + log[:at]
    ]
