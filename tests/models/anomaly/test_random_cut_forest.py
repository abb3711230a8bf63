"""Random cut forest as a model: anomalies with their channels, seeds, forgetting, snapshots."""

from __future__ import annotations

import pytest

from models.anomaly.random_cut_forest import RandomCutForest
from models.base import ModelError
from models.registry import make_model
from models.snapshots import encode, unpack
from schemas import SensorReading
from tests.models.anomaly.vector_streams import answers, related, vector


def make(**options: int) -> RandomCutForest:
    small = {"trees": 10, "max_samples": 64, "window": 1, "half_life": 200}
    return RandomCutForest(**{**small, "learn_every": 8, **options})


def test_a_far_reading_is_an_anomaly_of_its_channel() -> None:
    model = make()
    answers(model, related(400))
    usual, far = model.predict_batch([vector("s", 0, 100, 0), vector("s", 0, 100, 30)])
    assert not usual.is_anomaly
    assert far.is_anomaly
    assert far.channel == "c"
    assert far.contributions["c"] > 0.9


def test_noise_alone_has_few_anomalies() -> None:
    assert sum(one.is_anomaly for one in answers(make(), related(1500))) <= 8


def test_a_lasting_change_is_learned() -> None:
    model = make()
    answers(model, related(400))
    moved = [vector("s", r.values["a"], 200.0, r.values["c"]) for r in related(1600, 1)]
    scored = answers(model, moved)
    assert scored[0].is_anomaly
    assert all((one.probability or 0) < 0.05 for one in scored[200:300])
    assert all((one.probability or 0) > 0.001 for one in scored[-50:])


def test_the_seed_alone_decides() -> None:
    log = related(300)
    one, same, other = make(), make(), make(seed=2)
    assert answers(one, log) == answers(same, log) != answers(other, log)
    assert one.snapshot() == same.snapshot()


def test_a_step_of_one_or_of_many_sources_gives_each_the_same() -> None:
    log = related(300)
    alone, beside = make(learn_every=1), make(learn_every=2)
    expected = answers(alone, log)
    pairs = [r for pair in zip(log, related(300, 1, "t"), strict=True) for r in pair]
    assert answers(beside, pairs)[::2] == expected


@pytest.mark.parametrize("cut", [40, 64, 200])
def test_a_restored_model_continues_like_the_saved_one(cut: int) -> None:
    log = related(320)
    steady, stopped, resumed = make(), make(), make()
    whole = answers(steady, log)
    answers(stopped, log[:cut])
    resumed.restore(stopped.snapshot())
    assert answers(resumed, log[cut:]) == whole[cut:]
    assert resumed.snapshot() == steady.snapshot()


def test_hostile_readings_harm_only_themselves() -> None:
    model = make()
    answers(model, related(200))
    odd = [
        SensorReading(source_id="s", values={}),
        SensorReading(source_id="s", values={"a": 1e308, "b": -1e308, "c": 5e-324}),
    ]
    assert [one.is_anomaly for one in model.predict_batch(odd)] == [False, True]
    model.learn_batch(odd)
    assert sum(one.is_anomaly for one in answers(model, related(200, 2))) <= 2


@pytest.mark.parametrize("name", ["tree_counts", "tree_left", "tree_roots", "tree_points"])
def test_damaged_arrays_are_refused(name: str) -> None:
    model = make()
    answers(model, related(200))
    state = model.snapshot()
    saved = unpack(state, model.name, 1, model._options())
    array = saved.arrays[name]
    saved.arrays[name] = type(array)(array.dtype, array.shape, b"\xff" * len(array.data))
    with pytest.raises(ModelError):
        model.restore(encode(saved))
    assert model.snapshot() == state


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ModelError, match="max_samples is 4"):
        make_model(RandomCutForest, {"max_samples": 4})
