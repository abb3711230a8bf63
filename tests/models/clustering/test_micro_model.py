"""What all models of micro-clusters do: features, outliers, ids, updates, limits, state."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import ModelError
from models.clustering.clustream import CluStream
from models.clustering.dbstream import DBStream
from models.clustering.denstream import DenStream
from models.clustering.micro_model import MicroClusterModel
from models.registry import make_model
from schemas import BehaviorEvent, ClusterAssignment, GlobalClusterRecord, Member
from streams.records import TopicPartition
from tests.models.clustering.streams import (
    BLOBS,
    assign,
    assignments,
    blobs,
    event,
    events_of,
    kinds_of,
    learn,
)

MODELS: list[type[MicroClusterModel]] = [DenStream, DBStream, CluStream]
DENSITY: list[type[MicroClusterModel]] = [DenStream, DBStream]


def made(cls: type[MicroClusterModel], **options: object) -> MicroClusterModel:
    """Return a model for `blobs`: three clusters."""
    fitting: dict[str, object] = {"k": 3} if cls is CluStream else {"radius": 0.1}
    model = make_model(cls, {**fitting, "log": False, "learn_every": 64, **options})
    assert isinstance(model, cls)
    return model


@pytest.fixture(params=MODELS, ids=lambda cls: cls.name)
def cls(request: pytest.FixtureRequest) -> type[MicroClusterModel]:
    chosen: type[MicroClusterModel] = request.param
    return chosen


def test_finds_the_blobs(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls), events_of(blobs(1500)))
    assert len(set(kinds_of(model)) - {-1}) == 3
    answers = assignments(model, events_of(blobs(300, seed=9)))
    kinds = [{answer.cluster_id for answer in answers[kind::3]} for kind in range(3)]
    assert [len(kind) for kind in kinds] == [1, 1, 1]


def test_clusters_keep_their_ids_while_they_drift(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls, half_life_events=300.0), events_of(blobs(1500)))
    before = kinds_of(model)
    centers = BLOBS.copy()
    for step in range(40):
        centers[0] += 0.005
        learn(model, events_of(blobs(192, step, centers)))
    assert kinds_of(model, centers) == before


def test_before_any_cluster(cls: type[MicroClusterModel]) -> None:
    assert assign(made(cls), x=1.0, y=1.0) == ClusterAssignment(cluster_id=-1, distance=0.0)
    assert made(cls).update() is None


@pytest.mark.parametrize("chosen", DENSITY, ids=lambda c: c.name)
def test_an_outlier_has_no_cluster_but_a_distance(chosen: type[MicroClusterModel]) -> None:
    model = learn(made(chosen), events_of(blobs(1500)))
    answer = assign(model, x=0.1, y=0.95)
    assert answer.cluster_id == -1
    assert answer.distance > 0.2


def test_an_event_without_a_known_feature_is_counted(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls, features=["x", "y"]), events_of(blobs(300)))
    model.take_incidents()
    assert assign(model, z=1.0) == ClusterAssignment(cluster_id=-1, distance=0.0)
    state = model.snapshot()
    model.learn_batch([event(z=1.0)])
    assert model.snapshot() == state
    assert model.take_incidents() == {"no_known_feature": 1}
    assert model.take_incidents() == {}


def test_one_odd_first_event_does_not_fix_the_features(cls: type[MicroClusterModel]) -> None:
    model = made(cls)
    model.learn_batch([event(odd=1.0)])
    learn(model, events_of(blobs(1500)))
    assert len(set(kinds_of(model)) - {-1}) == 3


def test_a_later_feature_tells_clusters_apart(cls: type[MicroClusterModel]) -> None:
    options = {"k": 6} if cls is CluStream else {}
    model = learn(made(cls, half_life_events=300.0, **options), events_of(blobs(900)))
    rows = blobs(3000, seed=4)
    learn(
        model,
        [event(x=x, y=y, z=float(i // 3 % 2)) for i, (x, y) in enumerate(rows.tolist())],
    )
    low, high = (assign(model, x=0.1, y=0.1, z=z).cluster_id for z in (0.0, 1.0))
    assert -1 not in (low, high)
    assert low != high


def test_later_features_beyond_the_limit_are_ignored(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls, max_features=2), events_of(blobs(600)))
    learn(model, [event(x=0.1, y=0.1, z=5.0)] * 64)
    update = model.update() if model.publish_every == 1 else None
    del update
    assert assign(model, x=0.1, y=0.1, z=99.0) == assign(model, x=0.1, y=0.1)


def test_hostile_values_leave_the_clusters_usable(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls, half_life_events=500.0), events_of(blobs(600)))
    odd = [event(x=1e308, y=-1e308), event(x=0.0, y=5e-324), event(x=float("inf"), y=0.5)]
    model.learn_batch([*odd, event(x=float("nan"), y=0.2)])
    assert all(np.isfinite(answer.distance) for answer in assignments(model, odd))
    learn(model, events_of(blobs(30_000, seed=3)))
    assert len(set(kinds_of(model)) - {-1}) == 3


def test_constant_events_are_one_cluster(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls), [event(x=3.0, y=4.0)] * 500)
    assert assign(model, x=3.0, y=4.0) == ClusterAssignment(cluster_id=0, distance=0.0)


@pytest.mark.parametrize("chosen", DENSITY, ids=lambda c: c.name)
def test_micro_clusters_above_the_limit_are_evicted_and_counted(
    chosen: type[MicroClusterModel],
) -> None:
    model = made(chosen, max_micro_clusters=20, radius=0.01)
    learn(model, events_of(np.random.default_rng(0).uniform(0, 1, (2000, 2))))
    assert model.take_incidents()["evicted_micro_cluster"] > 100
    assert len(model._micro) <= 20


def test_updates_come_every_so_many_steps(cls: type[MicroClusterModel]) -> None:
    model, rows = made(cls, publish_every=3), events_of(blobs(64 * 9))
    has_update = []
    for start in range(0, len(rows), 64):
        model.learn_batch(rows[start : start + 64])
        has_update.append(model.update() is not None)
    assert has_update == [False, False, True] * 3


def test_an_update_names_the_clusters_of_the_assignments(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls, publish_every=1), events_of(blobs(1500)))
    update = model.update()
    assert update is not None
    ids = [cluster.cluster_id for cluster in update.clusters]
    assert len(ids) == len(set(ids))
    assert set(kinds_of(model)) <= {cluster.group for cluster in update.clusters}
    total = sum(cluster.weight for cluster in update.clusters)
    assert total == pytest.approx(model._micro.weights.sum(), rel=0.05)
    assert update.low["x"] < 0.2 < 0.8 < update.high["x"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "log"}, "scale is 'log': expected one of range, deviation, none"),
        ({"log": "yes"}, "log is 'yes': expected true or false"),
        ({"max_micro_clusters": 1}, "max_micro_clusters is 1: expected a number from 2"),
        ({"features": []}, "their number"),
        ({"publish_every": 0}, "publish_every is 0"),
    ],
)
def test_options_are_checked(
    cls: type[MicroClusterModel], options: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        made(cls, **options)


def test_a_snapshot_of_other_options_is_refused(cls: type[MicroClusterModel]) -> None:
    model = learn(made(cls), events_of(blobs(300)))
    with pytest.raises(ModelError, match="use the same options"):
        made(cls, log=True).restore(model.snapshot())


def picture(global_id: int, *members: tuple[int, int], died: bool = False) -> GlobalClusterRecord:
    return GlobalClusterRecord(
        global_id=global_id,
        status="died" if died else "changed",
        weight=1.0,
        center={},
        radius=0.1,
        members=[Member("a", *member) for member in members],
    )


def test_assignments_name_the_global_cluster(cls: type[MicroClusterModel]) -> None:
    model = made(cls)
    model.note_offsets(TopicPartition("t", 3), [])
    learn(model, events_of(blobs(1500)))
    own = kinds_of(model)
    assert assign(model, x=0.1, y=0.1).global_id == -1
    model.learn_batch([picture(70, (3, own[0]), (4, own[1])), picture(71, (3, own[1]))])
    names = [assign(model, x=float(x), y=float(y)).global_id for x, y in BLOBS]
    assert names == [70, 71, -1]
    again = made(cls)
    again.restore(model.snapshot())
    assert again.snapshot() == model.snapshot()
    assert assign(again, x=0.1, y=0.1).global_id == 70
    model.learn_batch([picture(70, died=True), picture(71, (3, own[2]))])
    names = [assign(model, x=float(x), y=float(y)).global_id for x, y in BLOBS]
    assert names == [-1, -1, 71]


def test_records_of_the_picture_are_not_answered_and_bring_no_update(
    cls: type[MicroClusterModel],
) -> None:
    model = learn(made(cls, publish_every=1), events_of(blobs(640)))
    assert model.update() is not None
    mixed: list[BehaviorEvent | GlobalClusterRecord] = [
        picture(1, (0, 0)),
        event(x=0.1, y=0.1),
        picture(2),
    ]
    first, second, third = model.predict_batch(mixed)
    assert first is None is third
    assert second == assign(model, x=0.1, y=0.1)
    model.learn_batch([picture(1, (0, 0))])
    assert model.update() is None
