"""One picture of many partitions: ids that last, births, splits, merges, drift and deaths."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.clustering.denstream import DenStream
from models.clustering.merge_clusters import MergeClusters
from models.clustering.online_kmeans import OnlineKMeans
from schemas import Cluster, ClusterReport, GlobalCluster, InputError, Member
from tests.models.clustering.streams import BLOBS, blobs, events_of, kinds_of, learn, report_of

AGENT = "cluster_behavior"


def report(partition: int, sequence: int, *places: tuple[float, float], **more: Any) -> Any:
    """Return a report of clusters with x and a weight; their ids are 0, 1 ..."""
    clusters = [
        Cluster(i, {"x": x}, weight, 0.01, i) for i, (x, weight) in enumerate(places)
    ]  # fmt: skip
    return ClusterReport(
        agent=AGENT,
        partition=partition,
        sequence=sequence,
        clusters=more.pop("clusters", clusters),
        **{"low": {"x": 0.0}, "high": {"x": 10.0}, "reach": 0.1, **more},
    )


def take(model: MergeClusters, *reports: ClusterReport) -> list[GlobalCluster]:
    """Return the records of these reports."""
    records = []
    for one in reports:
        (answer,) = model.predict_batch([one])
        assert isinstance(answer, list)
        model.learn_batch([one])
        records += answer
    return records


def brief(records: list[GlobalCluster]) -> list[tuple[int, str]]:
    return [(record.global_id, record.status) for record in records]


def test_clusters_of_several_partitions_are_one() -> None:
    model = MergeClusters()
    take(model, report(0, 0, (1.0, 10.0), (5.0, 4.0)))
    (record,) = take(model, report(1, 0, (1.5, 30.0)))
    assert (record.global_id, record.status) == (0, "changed")
    assert record.weight == 40.0
    assert record.center["x"] == pytest.approx(1.375)
    assert record.drift == pytest.approx(0.0375)
    assert record.members == [Member(AGENT, 0, 0), Member(AGENT, 1, 0)]
    assert record.record_key() == "0"


def test_a_report_takes_the_place_of_the_last_of_its_partition() -> None:
    model = MergeClusters()
    assert brief(take(model, report(0, 0, (1.0, 10.0)))) == [(0, "born")]
    assert take(model, report(0, 1, (1.0, 10.5))) == []
    (record,) = take(model, report(0, 2, (1.0, 20.0)))
    assert record.weight == 20.0


def test_births_drift_and_deaths() -> None:
    model = MergeClusters()
    assert brief(take(model, report(0, 0, (1.0, 9.0), (5.0, 9.0)))) == [(0, "born"), (1, "born")]
    (moved,) = take(model, report(0, 1, (1.8, 9.0), (5.0, 9.0)))
    assert (moved.global_id, moved.status) == (0, "changed")
    assert moved.drift == pytest.approx(0.08)
    (died,) = take(model, report(0, 2, (1.8, 9.0)))
    assert (died.global_id, died.status, died.into_id) == (1, "died", -1)
    assert (died.weight, died.members) == (0.0, [])
    born = take(model, report(0, 3, (1.8, 9.0), (9.0, 9.0)))
    assert brief(born) == [(2, "born")]


def test_a_merge_names_what_was_taken_in() -> None:
    model = MergeClusters()
    take(model, report(0, 0, (1.0, 9.0), (3.0, 20.0)))
    lost, kept = take(model, report(0, 1, (1.9, 9.0), (2.5, 20.0)))
    assert (lost.global_id, lost.status, lost.into_id) == (0, "died", 1)
    assert (kept.global_id, kept.status, kept.from_ids) == (1, "merged", [0])
    assert len(kept.members) == 2


def test_a_split_names_what_it_came_from() -> None:
    model = MergeClusters()
    assert brief(take(model, report(0, 0, (1.0, 9.0), (1.9, 20.0)))) == [(0, "born")]
    kept, new = take(model, report(0, 1, (1.0, 9.0), (4.0, 20.0)))
    assert (kept.global_id, kept.status) == (0, "changed")
    assert [m.cluster_id for m in kept.members] == [1]  # the heavier part keeps the id
    assert (new.global_id, new.status, new.from_ids) == (1, "split", [0])


def test_micro_clusters_of_one_cluster_of_a_partition_stay_together() -> None:
    far = [Cluster(i, {"x": x}, 5.0, 0.01, 7) for i, x in enumerate([0.0, 9.0])]
    (record,) = take(MergeClusters(), report(0, 0, clusters=far))
    assert record.members == [Member(AGENT, 0, 7)]
    assert record.weight == 10.0


def test_a_partition_that_starts_again_finds_its_clusters_by_place() -> None:
    model = MergeClusters()
    take(model, report(0, 0, (1.0, 9.0), (5.0, 9.0)))
    other = [Cluster(50, {"x": 1.2}, 2.0, 0.01, 3), Cluster(51, {"x": 5.1}, 2.0, 0.01, 4)]
    records = take(model, report(0, 1, clusters=other))
    assert brief(records) == [(0, "changed"), (1, "changed")]


def test_an_older_report_changes_nothing() -> None:
    model = MergeClusters()
    take(model, report(0, 5, (1.0, 9.0)))
    state = model.snapshot()
    assert take(model, report(0, 4, (8.0, 9.0))) == []
    assert model.snapshot() == state
    assert model.take_incidents() == {"stale_update": 1}


def test_a_silent_partition_is_forgotten() -> None:
    model = MergeClusters(max_silence=3)
    take(model, report(0, 0, (1.0, 9.0)))
    records = take(model, *(report(1, n, (5.0, 9.0)) for n in range(5)))
    assert brief(records) == [(1, "born"), (0, "died")]


def test_distances_are_in_the_scale_of_all_partitions() -> None:
    """Alone each partition's range would be 1; together it is 100, and 5 apart is near."""
    model = MergeClusters()
    one = report(0, 0, (1.0, 9.0), low={"x": 0.0}, high={"x": 1.0})
    other = report(1, 0, (6.0, 9.0), low={"x": 6.0}, high={"x": 100.0})
    assert brief(take(model, one, other)) == [(0, "born"), (0, "changed")]


def test_logs_are_undone_in_the_centers() -> None:
    model = MergeClusters()
    (record,) = take(model, report(0, 0, (99.0, 9.0), is_log=True, high={"x": 1e6}))
    assert record.center == {"x": pytest.approx(99.0)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (report(0, 0, (1.0, 1.0), reach=0.0), "set the option k .or reach. of merge_clusters"),
        (report(0, 0, (1.0, 1.0), is_log=True), "differ in is_log"),
        (report(0, 0, *[(1.0, 1.0)] * 9), "max_micro_clusters: 8"),
    ],
)
def test_a_report_that_does_not_fit_is_an_error_of_its_own(
    wrong: ClusterReport, message: str
) -> None:
    model = MergeClusters(max_micro_clusters=8)
    take(model, report(1, 0, (1.0, 9.0)))
    state = model.snapshot()
    refused, answered = model.predict_batch([wrong, report(2, 0, (1.0, 9.0))])
    assert isinstance(refused, InputError)
    assert message.replace(".or reach.", "(or reach)") in str(refused)
    assert isinstance(answered, list)
    model.learn_batch([wrong])
    assert model.snapshot() == state
    assert model.take_incidents() == {"refused_update": 1}


def test_k_means_merges_updates_without_a_reach() -> None:
    """`online_kmeans` states no scale and no distance: the deviation of the centers is the unit."""
    models = [OnlineKMeans(k=3, seed_events=128) for _ in range(4)]
    merging = MergeClusters(k=3)
    for number, model in enumerate(models):
        for start in range(0, 1024, 64):
            model.learn_batch(events_of(blobs(1024, seed=number))[start : start + 64])
        update = model.update()
        assert update is not None
        one = ClusterReport(agent=AGENT, partition=number, sequence=0, clusters=update.clusters)
        take(merging, one)
    wholes = merging._known.picture.wholes
    assert [len(whole.members) for whole in wholes.values()] == [4, 4, 4]


def test_eight_partitions_of_a_stream_have_the_clusters_of_the_stream() -> None:
    rows = np.concatenate([blobs(4800), np.random.default_rng(3).uniform(0, 1, (100, 2))])
    np.random.default_rng(4).shuffle(rows)
    models = [
        learn(DenStream(0.1, publish_every=1, log=False), events_of(rows[p::8])) for p in range(8)
    ]
    merging = MergeClusters()
    records = take(merging, *(report_of(model, p, 7) for p, model in enumerate(models)))
    latest = {record.global_id: record for record in records if record.status != "died"}
    big = [record for record in latest.values() if record.weight > 500]
    assert len(big) == 3
    for center in BLOBS:
        (here,) = [r for r in big if abs(r.center["x"] - center[0]) < 0.05]
        named = {(m.partition, m.cluster_id) for m in here.members}
        own = {(p, kinds_of(model, center[None])[0]) for p, model in enumerate(models)}
        assert own <= named
    total = sum(model._micro.weights[model._micro.is_settled].sum() for model in models)
    assert sum(whole.weight for whole in merging._known.picture.wholes.values()) == pytest.approx(
        total
    )


def test_the_order_of_partitions_does_not_matter_for_the_picture() -> None:
    reports = [report(p, 0, (1.0 + p / 10, 9.0 + p), (5.0, 3.0)) for p in range(4)]
    pictures = []
    for order in (reports, reports[::-1]):
        model = MergeClusters()
        take(model, *order)
        wholes = model._known.picture.wholes.values()
        pictures.append(sorted((w.weight, *w.center.tolist(), len(w.members)) for w in wholes))
    assert np.array(pictures[0]) == pytest.approx(np.array(pictures[1]))


def test_memory_is_bounded_by_the_reports_of_live_partitions() -> None:
    model, rng = MergeClusters(max_silence=20), np.random.default_rng(0)
    sizes = []
    for n in range(600):
        places = [(float(x), 5.0) for x in rng.uniform(0, 10, 6)]
        take(model, report(n, 0, *places))
        sizes.append(len(model.snapshot()))
    assert max(sizes[300:]) < 1.3 * max(sizes[:300])
