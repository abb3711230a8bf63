"""The deep autoencoder as a model: what it finds, what it learns, snapshots."""

from __future__ import annotations

import pytest

from models.anomaly.deep_autoencoder import DeepAutoencoder
from models.base import ModelError
from models.registry import make_model
from models.snapshots import encode, unpack
from schemas import SensorReading
from tests.models.anomaly.vector_streams import answers, related, vector


def make(**options: int) -> DeepAutoencoder:
    small = {"window": 2, "hidden": 16, "code": 3, "min_values": 128, "first_steps": 200}
    model = DeepAutoencoder(**{**small, "learn_every": 4, **options})
    model.load("cpu")
    return model


def test_channels_that_part_are_an_anomaly() -> None:
    model = make()
    scored = answers(model, related(600))
    assert sum(one.is_anomaly for one in scored) <= 4
    usual, parted = model.predict_batch([vector("s", 0, 100, 0), vector("s", 0.9, 80.0, 0)])
    assert not usual.is_anomaly
    assert parted.is_anomaly
    assert parted.channel == "b"


def test_it_learns_on_from_usual_readings_only() -> None:
    model = make()
    answers(model, related(400))
    steps = model._sources[0].network.steps
    assert steps > 200
    answers(model, [vector("s", 50.0, -50.0, 0.0) for _ in range(200)])
    later = model._sources[0].network.steps
    assert later - steps <= 8
    answers(model, related(400, 1))
    assert model._sources[0].network.steps > later


def test_sources_of_other_widths_are_trained_in_one_step() -> None:
    model = make()
    narrow = [SensorReading(source_id="n", values={"x": r.values["a"]}) for r in related(300)]
    log = [r for pair in zip(related(300), narrow, strict=True) for r in pair]
    scored = answers(model, log)
    assert [one.is_scored for one in scored[-2:]] == [True, True]
    assert len({source.shape for source in model._sources}) == 2


@pytest.mark.parametrize("cut", [100, 128, 300])
def test_a_restored_model_continues_like_the_saved_one(cut: int) -> None:
    log = related(400)
    steady, stopped, resumed = make(), make(), make()
    whole = answers(steady, log)
    answers(stopped, log[:cut])
    resumed.restore(stopped.snapshot())
    assert answers(resumed, log[cut:]) == whole[cut:]
    assert resumed.snapshot() == steady.snapshot()


@pytest.mark.parametrize("name", ["networks", "network_counts", "errors", "usual"])
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
    with pytest.raises(ModelError, match="train_every is 600"):
        make_model(DeepAutoencoder, {"train_every": 600})
