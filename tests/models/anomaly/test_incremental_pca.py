"""Incremental PCA: channels that part, shapes, faults that are not learned, snapshots."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.incremental_pca import IncrementalPCA
from models.base import ModelError
from models.registry import make_model
from models.snapshots import encode, unpack
from schemas import SensorReading
from tests.models.anomaly.vector_streams import answers, related, vector


def make(**options: int | float) -> IncrementalPCA:
    return IncrementalPCA(**{"window": 4, "min_values": 128, **options})  # type: ignore[arg-type]


def test_nothing_is_scored_before_min_values() -> None:
    scored = answers(make(), related(160))
    assert [one.is_scored for one in scored] == [False] * 128 + [True] * 32


def test_channels_that_part_are_an_anomaly_although_each_value_is_usual() -> None:
    def pair(a: float, b: float) -> SensorReading:
        return SensorReading(source_id="s", values={"a": a, "b": b})

    model = make(energy=0.99)
    answers(model, [pair(r.values["a"], r.values["b"]) for r in related(600)])
    usual, parted = model.predict_batch([pair(0.0, 100.0), pair(0.9, 95.5)])
    assert not usual.is_anomaly
    assert parted.is_anomaly
    assert parted.incident == "s/1"
    assert set(parted.contributions) == {"a", "b"}
    assert parted.channel == next(iter(parted.contributions))
    assert sum(parted.contributions.values()) == pytest.approx(1.0, abs=1e-3)


def test_a_shape_is_an_anomaly_although_each_value_is_usual() -> None:
    def wave(count: int, start: int, period: float) -> list[SensorReading]:
        noise = 0.05 * np.random.default_rng(start).normal(size=count)
        values = np.sin(2 * np.pi * (start + np.arange(count)) / period) + noise
        return [SensorReading(source_id="s", values={"x": v}) for v in values.tolist()]

    model = IncrementalPCA(window=24, min_values=128)
    before = answers(model, wave(900, 0, 40))
    after = answers(model, wave(60, 900, 11))
    assert sum(one.is_anomaly for one in before) <= 4
    assert any(one.is_anomaly for one in after)


def test_a_fault_is_not_learned_and_a_lasting_change_is() -> None:
    model = make(rest=50)
    answers(model, related(600))
    fault = [vector("s", r.values["a"], r.values["b"] + 30, 0) for r in related(1500, 1)]
    scored = answers(model, fault)
    assert scored[0].is_anomaly
    assert all((one.probability or 0) < 0.01 for one in scored[300:400])
    assert all((one.probability or 0) > 0.001 for one in scored[-50:])


def test_noise_alone_has_few_anomalies() -> None:
    assert sum(one.is_anomaly for one in answers(make(), related(3000))) <= 12


def test_hostile_readings_harm_only_themselves() -> None:
    model = make()
    answers(model, related(400))
    odd = [
        SensorReading(source_id="s", values={}),
        SensorReading(source_id="s", values={"a": 1e308, "b": -1e308, "c": 5e-324}),
        SensorReading(source_id="s", values={f"n{i}": 1.0 for i in range(2000)}),
    ]
    assert [one.is_anomaly for one in model.predict_batch(odd)] == [False, True, False]
    model.learn_batch(odd)
    later = answers(model, related(200, 2))
    assert sum(one.is_anomaly for one in later[8:]) <= 2


def test_a_constant_source_reports_a_clear_change_only() -> None:
    model = make()
    log = [SensorReading(source_id="s", values={"x": 5.0}) for _ in range(400)]
    assert not any(one.is_anomaly for one in answers(model, log))
    hardly, clearly = model.predict_batch(
        [SensorReading(source_id="s", values={"x": x}) for x in (5.0005, 6.0)]
    )
    assert not hardly.is_anomaly
    assert clearly.is_anomaly


@pytest.mark.parametrize("cut", [60, 128, 150, 400])
def test_a_restored_model_continues_like_the_saved_one(cut: int) -> None:
    log = [r for pair in zip(related(300), related(300, 1, "t"), strict=True) for r in pair]
    steady, stopped, resumed = make(), make(), make()
    whole = answers(steady, log)
    answers(stopped, log[:cut])
    resumed.restore(stopped.snapshot())
    assert answers(resumed, log[cut:]) == whole[cut:]
    assert resumed.snapshot() == steady.snapshot()


def test_further_sources_are_refused_and_counted() -> None:
    model = make(max_keys=1)
    model.learn_batch([vector("one", 0, 0, 0)])
    model.learn_batch([vector("two", 0, 0, 0)])
    assert model.take_incidents() == {"evicted_key": 0, "refused_key": 1}


@pytest.mark.parametrize("name", ["bases", "waiting", "window_counts", "window_scales"])
def test_damaged_arrays_are_refused(name: str) -> None:
    model = make()
    answers(model, related(300))
    state = model.snapshot()
    saved = unpack(state, model.name, 1, model._options())
    array = saved.arrays[name]
    saved.arrays[name] = type(array)(array.dtype, array.shape, b"\xff" * len(array.data))
    with pytest.raises(ModelError):
        model.restore(encode(saved))
    assert model.snapshot() == state


@pytest.mark.parametrize(
    "options", [{"window": -1}, {"components": 0}, {"energy": 1.5}, {"window": 200}]
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="expected a number"):
        make_model(IncrementalPCA, {"min_values": 128, **options})
