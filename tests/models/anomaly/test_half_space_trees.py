"""Half-space trees: unusual readings, repeatable scores, snapshots."""

from __future__ import annotations

import numpy as np
import pytest

from models.anomaly.half_space_trees import HalfSpaceTrees
from models.base import ModelError
from models.evaluation import answer_stream, one_result, roc_auc
from models.registry import make_model
from schemas import AnomalyScore, SensorReading


def ring_with_outliers(count: int = 2000) -> tuple[list[SensorReading], np.ndarray]:
    """Points on a circle, 2 % of them in its middle: unusual together, usual channel by channel."""
    rng = np.random.default_rng(5)
    angle, truth = rng.uniform(0, 2 * np.pi, count), rng.random(count) < 0.02
    radius = np.where(truth, 0.1, 1.0) + rng.normal(0, 0.05, count)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    readings = [
        SensorReading(source_id="ring", values={"x": float(x), "y": float(y)}) for x, y in points
    ]
    return readings, truth


def normal(count: int, seed: int = 0, source: str = "s", channels: int = 3) -> list[SensorReading]:
    rows = np.random.default_rng(seed).normal(10.0, 2.0, size=(count, channels))
    return [
        SensorReading(source_id=source, values={f"c{i}": float(v) for i, v in enumerate(row)})
        for row in rows
    ]


def scores(model: HalfSpaceTrees, readings: list[SensorReading]) -> np.ndarray:
    return np.array([one_result(a).score for a in answer_stream(model, readings)])


def score(model: HalfSpaceTrees, **values: float) -> AnomalyScore:
    return model.predict_batch([SensorReading(source_id="s", values=values)])[0]


def learned(count: int = 600, **options: int) -> HalfSpaceTrees:
    model = HalfSpaceTrees(**options)
    answer_stream(model, normal(count))
    return model


def test_an_unusual_reading_scores_higher_than_a_usual_one() -> None:
    model = learned()
    usual, far = score(model, c0=10, c1=10, c2=10), score(model, c0=40, c1=-20, c2=90)
    assert usual.score < 0.3
    assert far.is_anomaly
    assert far.score <= 1


@pytest.mark.slow
def test_finds_unusual_combinations_at_least_as_well_as_river() -> None:
    from river.anomaly import HalfSpaceTrees as Peer

    readings, truth = ring_with_outliers()
    model = HalfSpaceTrees(trees=50, depth=8, min_values=250, window=500, features_per_tree=4)
    peer = Peer(
        n_trees=50, height=8, window_size=250, seed=1, limits={"x": (-1.3, 1.3), "y": (-1.3, 1.3)}
    )
    peer_scores = np.zeros(len(readings))
    for i, reading in enumerate(readings):
        peer_scores[i] = peer.score_one(reading.values)
        peer.learn_one(reading.values)
    rated = slice(500, None)
    auc = roc_auc(scores(model, readings)[rated], truth[rated])
    assert auc > 0.85
    assert auc > roc_auc(peer_scores[rated], truth[rated]) - 0.05


def test_scores_zero_before_min_values_and_for_unknown_sources() -> None:
    model = learned(250)
    assert score(model, c0=1e6).score == 0
    model.learn_batch(normal(8, seed=1))
    assert score(model, c0=1e6, c1=1e6, c2=1e6).is_anomaly
    assert model.predict_batch(normal(1, source="other"))[0].score == 0


def test_missing_channels_are_neutral_and_new_ones_wait_for_the_next_reference() -> None:
    model = learned(256)
    assert score(model, c0=10.0).score < 0.3
    assert score(model, c0=10.0, new=1e9) == score(model, c0=10.0)
    wide = [
        SensorReading(source_id="s", values=reading.values | {"new": float(i % 9)})
        for i, reading in enumerate(normal(256, seed=1))
    ]
    answer_stream(model, wide)
    assert score(model, c0=10.0, new=1e9).score > score(model, c0=10.0, new=4.0).score


def test_answers_do_not_depend_on_the_micro_batches() -> None:
    model = learned()
    batch = normal(50, seed=4) + normal(5, source="other") + normal(50, seed=6, channels=2)
    assert model.predict_batch(batch) == [model.predict_batch([one])[0] for one in batch]


def test_the_seed_determines_the_scores() -> None:
    stream = normal(400)
    first, again, other = (scores(HalfSpaceTrees(seed=s), stream) for s in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_huge_and_constant_values_give_no_warnings() -> None:
    model = HalfSpaceTrees(min_values=16, window=32)
    values = [0.0] * 30 + [1e300, -1e300, 1.7e308, 5e-324] * 4
    stream = [SensorReading(source_id="s", values={"v": v, "rest": 3.0}) for v in values]
    assert ((scores(model, stream) >= 0) & (scores(model, stream) <= 1)).all()


def test_one_absurd_value_does_not_spoil_the_next_reference() -> None:
    model = HalfSpaceTrees(min_values=64, window=64)
    stream = normal(192)
    stream[100] = SensorReading(source_id="s", values={"c0": 1e300, "c1": 10.0, "c2": 10.0})
    answer_stream(model, stream)
    usual = score(model, c0=10.0, c1=10.0, c2=10.0).score
    assert score(model, c0=40.0, c1=40.0, c2=40.0).score > max(0.3, 4 * usual)


def test_memory_is_limited_by_sources_and_channels() -> None:
    model = HalfSpaceTrees(min_values=8, window=8, max_keys=2, max_channels=2)
    for source in ("a", "b", "a", "c"):
        model.learn_batch(normal(8, source=source))
    known = [model.predict_batch(normal(1, source=s))[0].is_scored for s in "abc"]
    assert known == [True, True, False]
    model.learn_batch([SensorReading(source_id="a", values={f"n{i}": 1.0}) for i in range(8)])
    assert len(model.snapshot()) < 2 * len(HalfSpaceTrees().snapshot()) + 400_000


def test_a_step_with_more_sources_than_max_keys() -> None:
    model = HalfSpaceTrees(min_values=8, window=8, max_keys=2)
    step = [r for i in range(8) for s in "abcd" for r in normal(1, seed=i, source=s)]
    model.learn_batch(step)
    assert sum(model.predict_batch(normal(1, source=s))[0].is_scored for s in "abcd") == 2


@pytest.mark.parametrize("count", [0, 100, 300, 700])
def test_a_restored_model_continues_like_the_saved_one(count: int) -> None:
    saved, restored = HalfSpaceTrees(window=256), HalfSpaceTrees(window=256)
    answer_stream(saved, normal(count) + normal(count // 2, source="two", channels=5))
    restored.restore(saved.snapshot())
    rest = normal(300, seed=2, channels=4) + normal(300, seed=3, source="three")
    assert answer_stream(saved, rest) == answer_stream(restored, rest)
    assert saved.snapshot() == restored.snapshot()


def test_a_damaged_snapshot_is_refused_and_changes_nothing() -> None:
    model = learned(300)
    state = model.snapshot()
    flipped = bytearray(state)
    flipped[len(state) // 2] ^= 1
    for bad in (b"", state[:-1], bytes(flipped), b"PSM1" + state[8:]):
        with pytest.raises(ModelError, match="half_space_trees"):
            model.restore(bad)
    assert model.snapshot() == state


def test_a_snapshot_with_other_options_is_refused() -> None:
    with pytest.raises(ModelError, match="same options"):
        HalfSpaceTrees(seed=2).restore(learned(10).snapshot())


@pytest.mark.parametrize("options", [{"trees": 0}, {"depth": 16}, {"threshold": 0}, {"lag": 1}])
def test_the_error_names_the_wrong_option(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        make_model(HalfSpaceTrees, dict(options))


def test_a_lasting_new_level_becomes_less_unusual_before_the_next_reference() -> None:
    model = learned(600)  # its reference, of 512 readings, lasts until the 1024th
    raised = [
        SensorReading(source_id="s", values={name: v + 40 for name, v in reading.values.items()})
        for reading in normal(160, seed=5)
    ]
    actual = scores(model, raised)
    assert actual[:8].min() > model.threshold  # far from the values and from the trend
    assert actual[8] < model.threshold  # a repeat
    surprises = [-np.log10(one_result(a).probability or 1.0) for a in answer_stream(model, raised)]
    assert np.median(surprises[-16:]) < 3  # the trend has followed, the values are still new


def test_repeats_belong_to_one_incident_and_are_damped() -> None:
    model = learned()
    far = [SensorReading(source_id="s", values={"c0": 90.0, "c1": -70.0, "c2": 80.0})] * 40
    first, *rest = [one_result(answer) for answer in answer_stream(model, far)]
    later = rest[model.learn_every :]
    assert first.is_anomaly
    assert first.incident == "s/1"
    assert {one.incident for one in later} == {"s/1"}
    assert not any(one.is_anomaly for one in later)
    assert all(one.score < one.threshold for one in later)


def test_noise_alone_has_few_anomalies() -> None:
    model = HalfSpaceTrees()
    answers = [one_result(answer) for answer in answer_stream(model, normal(6000))]
    assert sum(one.is_anomaly for one in answers) <= 6


def test_learning_without_answering_first_gives_the_same_state() -> None:
    """After a crash the engine only learns again what was answered before it."""
    answered, replayed, log = HalfSpaceTrees(), HalfSpaceTrees(), normal(400)
    answer_stream(answered, log)
    for start in range(0, len(log), replayed.learn_every):
        replayed.learn_batch(log[start : start + replayed.learn_every])
    assert answered.snapshot() == replayed.snapshot()
