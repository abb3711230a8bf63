"""Compare online k-means with scikit-learn's MiniBatchKMeans on real behavior.

    python -m models.clustering.evaluate FOLDER_OF_DATA

Every event is assigned before it is learned. Rows before the first clusters exist are not rated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.clustering.evaluate_streams import evaluate_kdd99
from models.clustering.evaluate_texts import evaluate_clinc
from models.clustering.labeled import load_kdd99, load_shoppers
from models.clustering.online_kmeans import OnlineKMeans
from models.evaluation import (
    Measure,
    Row,
    Skipped,
    answer_stream,
    one_result,
    print_rows,
    without_data,
)
from schemas import BehaviorEvent, ClusterAssignment

Ints = NDArray[np.int64]

#: How many rows of KDD99 are used: they contain its first five attacks and two floods.
KDD_ROWS = 100_000
KDD_CLUSTERS = 16
SHOPPER_CLUSTERS = 8
TASK = "clustering"


def assign(model: OnlineKMeans, events: Sequence[BehaviorEvent]) -> tuple[Ints, float]:
    """Return each event's cluster when it was answered, and the mean squared distance to it."""
    results = [one_result(answer) for answer in answer_stream(model, events)]
    assigned = [r for r in results if isinstance(r, ClusterAssignment)]
    ids = np.array([r.cluster_id for r in assigned], np.int64)
    return ids, float(np.mean([r.distance**2 for r in assigned if r.cluster_id >= 0]))


def assign_by_sklearn(events: Sequence[BehaviorEvent], k: int, step: int, first: int) -> Ints:
    """Return the clusters of MiniBatchKMeans with the same steps; -1 for the first events.

    MiniBatchKMeans does not scale features, so a StandardScaler is fitted along with it.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.preprocessing import StandardScaler

    names = sorted(events[0].features)
    rows = np.array([[event.features[name] for name in names] for event in events])
    scaler, peer = StandardScaler().fit(rows[:first]), MiniBatchKMeans(k, random_state=1, n_init=4)
    peer.partial_fit(scaler.transform(rows[:first]))
    clusters = np.full(len(rows), -1)
    for start in range(first, len(rows), step):
        part = rows[start : start + step]
        clusters[start : start + step] = peer.predict(scaler.transform(part))
        peer.partial_fit(scaler.partial_fit(part).transform(part))
    return clusters


def purity(clusters: Ints, classes: NDArray[np.str_]) -> float:
    """Return the share of events that have the most frequent class of their cluster."""
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(classes, clusters)
    return float(table.max(axis=0).sum() / table.sum())


def agreement(clusters: Ints, classes: Sequence[str]) -> dict[str, float]:
    """Return purity, adjusted Rand index and normalized mutual information of assigned events."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    rated = clusters >= 0
    truth = np.array(classes)[rated]
    return {
        "purity": purity(clusters[rated], truth),
        "adjusted Rand": float(adjusted_rand_score(truth, clusters[rated])),
        "NMI": float(normalized_mutual_info_score(truth, clusters[rated])),
    }


def compare(events: list[BehaviorEvent], classes: list[str], k: int, dataset: str) -> list[Measure]:
    """Return the figures of both models on one labeled stream."""
    model = OnlineKMeans(k=k)
    by_online_kmeans, _ = assign(model, events)
    peer = assign_by_sklearn(events, k, model.learn_every, int(np.argmax(by_online_kmeans >= 0)))
    both = (("online_kmeans", by_online_kmeans), ("MiniBatchKMeans", peer))

    def row(name: str, metric: str, value: float, better: bool | None = True) -> Measure:
        return Measure(
            task=TASK,
            dataset=dataset,
            model=f"{name} (k={k})",
            metric=metric,
            value=value,
            higher_is_better=better,
            seed=1,  # of both models
        )

    rows = [
        row(name, metric, value)
        for name, clusters in both
        for metric, value in agreement(clusters, classes).items()
    ]
    made = float(by_online_kmeans.max() + 1)
    return [*rows, row("online_kmeans", "clusters ever made", made, better=None)]


def evaluate_on(data_dir: Path) -> list[Row]:
    """Return the figures for KDD99, the shoppers and CLINC150; an absent data set is skipped."""
    rows: list[Row] = []
    kdd = sorted((data_dir / "kdd99").glob("*.csv.gz"))
    for path in kdd:
        events, classes = load_kdd99(path, KDD_ROWS)
        dataset = f"kdd99, first {len(events)} rows"
        rows += compare(events, classes, KDD_CLUSTERS, dataset)
        rows += evaluate_kdd99(path)
    shoppers = sorted((data_dir / "shoppers").glob("*.csv.gz"))
    for path in shoppers:
        rows += compare(*load_shoppers(path), SHOPPER_CLUSTERS, "shoppers")
    clinc = sorted((data_dir / "clinc150").glob("*.jsonl.gz"))
    try:
        for path in clinc:
            rows += evaluate_clinc(path)
    except ModelError as error:
        rows.append(Skipped(task=TASK, dataset="clinc150", reason=str(error)))
    found = (("kdd99", kdd), ("shoppers", shoppers), ("clinc150", clinc))
    absent = [name for name, paths in found if not paths]
    return [*rows, *without_data(TASK, *absent)]


if __name__ == "__main__":
    print_rows(evaluate_on(Path(sys.argv[1])))
