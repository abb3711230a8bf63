"""Rate the models of micro-clusters on arrival, alone and spread over partitions and merged.

Every tenth row of KDD99 in the order of the file: 1,000 rows first, which are not rated, and then
20,000. An event counts as in the cluster that it was assigned to before it was learned; all
outliers count as one cluster. Merged, it counts as in the global cluster that its partition's
cluster was part of in the picture at that time; where there was none yet, as an outlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.clustering.clustream import CluStream
from models.clustering.dbstream import DBStream
from models.clustering.denstream import DenStream
from models.clustering.labeled import load_kdd99
from models.clustering.merge_clusters import MergeClusters
from models.clustering.micro_model import MicroClusterModel
from models.evaluation import Measure, answer_stream, one_result
from models.registry import make_model
from schemas import BehaviorEvent, ClusterAssignment, ClusterReport, ClusterUpdate, GlobalCluster

Ints = NDArray[np.int64]

NUM_FIRST, NUM_RATED, EVERY = 1_000, 20_000, 10
NUM_PARTITIONS = 8
_SPEED = "events a second of CPU time"
MODELS: tuple[type[MicroClusterModel], ...] = (DenStream, CluStream, DBStream)


def assigned_on_arrival(model: MicroClusterModel, events: Sequence[BehaviorEvent]) -> Ints:
    """Return each event's cluster when it was answered."""
    results = [one_result(answer) for answer in answer_stream(model, events)]
    return np.array([r.cluster_id for r in results if isinstance(r, ClusterAssignment)], np.int64)


def assigned_globally(
    make: Callable[[], MicroClusterModel],
    merging: MergeClusters,
    events: Sequence[BehaviorEvent],
    num_partitions: int,
) -> Ints:
    """Return each event's global cluster when it was answered, -1 for outliers.

    Events go to the partitions in turn. Steps end as they do in the engine, and a partition's
    update is merged before the next step of any partition.
    """
    models = [make() for _ in range(num_partitions)]
    ids = np.full(len(events), -1)
    global_ids: dict[tuple[int, int], int] = {}
    every = models[0].learn_every
    for first in range(0, len(events), every * num_partitions):
        for partition, model in enumerate(models):
            at = range(first + partition, len(events), num_partitions)[:every]
            step = [events[i] for i in at]
            if not step:
                continue
            for i, answer in zip(at, model.predict_batch(step), strict=True):
                if answer is not None:
                    ids[i] = global_ids.get((partition, answer.cluster_id), -1)
            model.learn_batch(step)
            update = model.update()
            if isinstance(update, ClusterUpdate):
                _merge(merging, _report(update, partition, first // every), global_ids)
    return ids


def _report(update: ClusterUpdate, partition: int, sequence: int) -> ClusterReport:
    return ClusterReport(
        agent="cluster_behavior",
        partition=partition,
        sequence=sequence,
        clusters=update.clusters,
        low=update.low,
        high=update.high,
        is_log=update.is_log,
        reach=update.reach,
    )


def _merge(
    merging: MergeClusters, report: ClusterReport, global_ids: dict[tuple[int, int], int]
) -> None:
    """Merge an update, and note which global cluster each partition's cluster is part of."""
    answers = merging.predict_batch([report])[0]
    if isinstance(answers, Exception):
        raise answers
    merging.learn_batch([report])
    for record in answers:
        _note(record, global_ids)


def _note(record: GlobalCluster, global_ids: dict[tuple[int, int], int]) -> None:
    for key in [key for key, i in global_ids.items() if i == record.global_id]:
        del global_ids[key]
    for member in record.members:
        global_ids[member.partition, member.cluster_id] = record.global_id


def rate(clusters: Ints, classes: Sequence[str]) -> dict[str, float]:
    """Return figures of the events after the first `NUM_FIRST`; outliers are one cluster."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    found, truth = clusters[NUM_FIRST:], np.array(classes)[NUM_FIRST:]
    return {
        "adjusted Rand": float(adjusted_rand_score(truth, found)),
        "NMI": float(normalized_mutual_info_score(truth, found)),
        "share of outliers": float(np.mean(found < 0)),
    }


def evaluate_kdd99(path: Path, start: int = 0) -> list[Measure]:
    """Return the figures of all models on every tenth row from `start` on."""
    events, classes = load_kdd99(path, NUM_FIRST + NUM_RATED, EVERY, start, log=False)
    dataset = f"kdd99, every {EVERY}th row"
    rows = []
    for cls in MODELS:
        make = _maker(cls, publish_every=1)
        started = time.process_time()
        clusters = assigned_on_arrival(make(), events)
        speed = len(events) / (time.process_time() - started)
        rows += _rows(cls.name, dataset, rate(clusters, classes) | {_SPEED: speed})
        for learn_every in sorted({make().learn_every, 16}, reverse=True):
            merging = MergeClusters(k=8 if cls is CluStream else 0)
            make = _maker(cls, publish_every=1, learn_every=learn_every)
            spread = assigned_globally(make, merging, events, NUM_PARTITIONS)
            name = f"{cls.name} ({NUM_PARTITIONS} partitions, merged, learn_every={learn_every})"
            rows += _rows(name, dataset, rate(spread, classes))
    return rows


def _maker(cls: type[MicroClusterModel], **options: int) -> Callable[[], MicroClusterModel]:
    def make() -> MicroClusterModel:
        model = make_model(cls, dict(options))
        assert isinstance(model, MicroClusterModel)
        return model

    return make


def _rows(model: str, dataset: str, figures: dict[str, float]) -> list[Measure]:
    return [
        Measure(
            task="clustering",
            dataset=dataset,
            model=model,
            metric=metric,
            value=value,
            higher_is_better=None if metric == "share of outliers" else True,
        )
        for metric, value in figures.items()
    ]
