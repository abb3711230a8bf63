"""Online k-means: finds clusters, follows drift, and is repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import ModelError
from models.clustering.online_kmeans import OnlineKMeans
from models.evaluation import answer_stream
from models.registry import make_model
from schemas import BehaviorEvent, ClusterAssignment

CENTERS = np.array([[0.0, 1000.0], [10.0, 3000.0], [20.0, 1000.0]])


def events(count: int, centers: np.ndarray = CENTERS, seed: int = 0) -> list[BehaviorEvent]:
    """Equal shares of normal blobs, one kind after the other in turn."""
    noise = np.random.default_rng(seed).normal(0, [0.5, 50.0], size=(count, 2))
    rows = centers[np.arange(count) % len(centers)] + noise
    return [
        BehaviorEvent(source_id="u", action="buy", features={"pages": float(a), "cents": float(b)})
        for a, b in rows
    ]


def learned(stream: list[BehaviorEvent], k: int = 3, seed: int = 1) -> OnlineKMeans:
    model = OnlineKMeans(k=k, seed_events=128, half_life_events=500, seed=seed)
    answer_stream(model, stream)
    return model


def assign(model: OnlineKMeans, **features: float) -> ClusterAssignment:
    return model.predict_batch([BehaviorEvent(source_id="u", action="a", features=features)])[0]


def centers_of(model: OnlineKMeans) -> np.ndarray:
    update = model.update()
    assert update is not None
    return np.array(
        sorted([c.center["pages"], c.center["cents"]] for c in update.clusters), np.float64
    )


def test_finds_the_centers_in_the_units_of_the_features() -> None:
    actual = centers_of(learned(events(1000)))
    assert actual == pytest.approx(CENTERS, rel=0.05, abs=0.3)


def test_assigns_each_kind_to_a_different_cluster() -> None:
    answers = learned(events(1000)).predict_batch(events(300, seed=9))
    kinds = [{a.cluster_id for a in answers[kind::3]} for kind in range(3)]
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    assert len(set.union(*kinds)) == 3
    assert all(0 <= a.distance < 2 for a in answers)


def test_has_no_cluster_before_it_is_seeded() -> None:
    model = learned(events(127))
    assert assign(model, pages=1.0) == ClusterAssignment(cluster_id=-1, distance=0.0)
    assert model.update() is None
    model.learn_batch(events(1, seed=2))
    assert assign(model, pages=1.0).cluster_id >= 0
    assert model.update() is not None


def test_weights_are_the_decayed_number_of_events() -> None:
    update = learned(events(20_000)).update()
    assert update is not None
    # The sum over steps of 64 of 64 * 2^(-64 i / 500).
    expected = 64 / (1 - 0.5 ** (64 / 500))
    assert sum(c.weight for c in update.clusters) == pytest.approx(expected, rel=0.02)


def test_centers_follow_a_drift_under_the_same_ids() -> None:
    model = learned(events(1000))
    before = assign(model, pages=0.0, cents=1000.0).cluster_id
    for step in range(60):
        shift = np.array([0.05 * step, 0.0])
        answer_stream(model, events(192, CENTERS + shift, seed=step))
    assert assign(model, pages=3.0, cents=1000.0).cluster_id == before
    assert centers_of(model)[0, 0] == pytest.approx(2.95, abs=0.5)


def test_a_starved_cluster_is_replaced_by_new_behavior_with_a_new_id() -> None:
    model = learned(events(1000))
    # The third kind stops; a new one begins, nearest to the first one's center.
    moved = np.array([[0.0, 1000.0], [10.0, 3000.0], [-4.0, -4000.0]])
    answer_stream(model, events(6000, moved, seed=3))
    assert centers_of(model) == pytest.approx(moved[[2, 0, 1]], rel=0.05, abs=0.5)
    update = model.update()
    assert update is not None
    ids = [c.cluster_id for c in update.clusters]
    assert ids == sorted(set(ids))
    assert ids[-1] >= 3  # 0 to 2 were the first clusters'


def test_with_fewer_kinds_than_clusters_later_kinds_get_a_cluster() -> None:
    one = np.array([[5.0, 100.0]])
    same = [BehaviorEvent(source_id="u", action="a", features={"pages": 5.0, "cents": 100.0})]
    model = learned(same * 256)
    update = model.update()
    assert update is not None
    assert len(update.clusters) == 1
    answer_stream(model, events(640, np.concatenate([one, one + 100])))
    assert assign(model, pages=5.0, cents=100.0) != assign(model, pages=105.0, cents=200.0)


def test_missing_features_count_as_the_mean_and_unknown_ones_are_ignored() -> None:
    model = learned(events(1000))
    mean = {"pages": 10.0, "cents": 5000.0 / 3}
    partial, full = assign(model, cents=3000.0), assign(model, pages=mean["pages"], cents=3000.0)
    assert partial.cluster_id == full.cluster_id
    assert partial.distance == pytest.approx(full.distance, abs=0.1)
    assert assign(model, cents=3000.0, other=1e9) == partial


@pytest.mark.parametrize("number", [1, 64, 200])
def test_odd_events_before_the_others_do_not_decide_the_features(number: int) -> None:
    heartbeat = BehaviorEvent(source_id="u", action="heartbeat", features={"uptime": 1.0})
    model = learned([heartbeat] * number + events(1500), k=4)
    answers = model.predict_batch(events(300, seed=9))
    kinds = [{a.cluster_id for a in answers[kind::3]} for kind in range(3)]
    assert [len(kind) for kind in kinds] == [1, 1, 1]
    assert len(set.union(*kinds)) == 3


def test_a_feature_that_comes_later_is_added_also_when_there_are_clusters() -> None:
    model = learned(events(1000), k=6)
    later = [
        BehaviorEvent(action="buy", features=event.features | {"age": 20.0 + 40.0 * (i % 2)})
        for i, event in enumerate(events(3000, seed=5))
    ]
    answer_stream(model, later)
    update = model.update()
    assert update is not None
    assert {tuple(sorted(c.center)) for c in update.clusters} == {("age", "cents", "pages")}
    young, old = (assign(model, pages=0.0, cents=1000.0, age=age) for age in (20.0, 60.0))
    assert young.cluster_id != old.cluster_id


def test_an_event_without_known_features_has_no_cluster_and_changes_none() -> None:
    model = OnlineKMeans(k=3, features=["pages", "cents"], seed_events=128)
    answer_stream(model, events(1000))
    before = model.snapshot()
    assert assign(model, other=1.0) == ClusterAssignment(cluster_id=-1, distance=0.0)
    model.learn_batch([BehaviorEvent(source_id="u", action="a", features={"other": 1.0})] * 5)
    assert model.snapshot() == before
    assert model.take_incidents() == {"no_known_feature": 5}
    assert model.take_incidents() == {"no_known_feature": 0}


def test_only_the_named_features_are_used_in_their_order() -> None:
    model = OnlineKMeans(k=3, features=["cents"], seed_events=64)
    answer_stream(model, events(256))
    update = model.update()
    assert update is not None
    assert {tuple(c.center) for c in update.clusters} == {("cents",)}
    assert assign(model, pages=-1e9, cents=1000.0) == assign(model, pages=1e9, cents=1000.0)


def test_max_features_limits_the_features_of_the_first_step() -> None:
    model = OnlineKMeans(k=1, max_features=2, seed_events=4)
    wide = {f"f{i}": float(i) for i in range(9)}
    model.learn_batch([BehaviorEvent(source_id="u", action="a", features=wide)] * 4)
    update = model.update()
    assert update is not None
    assert list(update.clusters[0].center) == ["f0", "f1"]


def test_huge_values_do_no_lasting_harm() -> None:
    model = learned(events(1000))
    absurd = BehaviorEvent(source_id="u", action="a", features={"pages": 1.7e308, "cents": -1e300})
    assert np.isfinite(model.predict_batch([absurd])[0].distance)
    model.learn_batch([absurd, *events(63, seed=8)])
    answer_stream(model, events(3000, seed=4))
    assert centers_of(model) == pytest.approx(CENTERS, rel=0.1, abs=0.5)
    assert np.isfinite(centers_of(learned([absurd] * 200))).all()


def test_the_same_seed_gives_the_same_state() -> None:
    assert learned(events(500)).snapshot() == learned(events(500)).snapshot()


@pytest.mark.parametrize("count", [0, 100, 1000])
def test_a_restored_model_continues_like_the_saved_one(count: int) -> None:
    saved, restored = learned(events(count)), learned([])
    restored.restore(saved.snapshot())
    rest = events(700, CENTERS * 1.5, seed=5)
    assert answer_stream(saved, rest) == answer_stream(restored, rest)
    assert saved.snapshot() == restored.snapshot()


def test_a_damaged_or_other_snapshot_is_refused_and_changes_nothing() -> None:
    model = learned(events(300))
    state = model.snapshot()
    flipped = bytearray(state)
    flipped[-1] ^= 255
    for bad in (b"", state[:50], bytes(flipped), learned(events(300), k=2).snapshot()):
        with pytest.raises(ModelError, match="online_kmeans"):
            model.restore(bad)
    assert model.snapshot() == state


@pytest.mark.parametrize(
    "options", [{"k": 0}, {"features": []}, {"seed_events": 3}, {"half_life_events": 0}]
)
def test_the_error_names_the_wrong_option(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        make_model(OnlineKMeans, dict(options))
