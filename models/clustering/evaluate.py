"""How well online k-means groups real behavior, beside scikit-learn's MiniBatchKMeans.

    python -m models.clustering.evaluate FOLDER_OF_DATA

Every event is assigned before it is learned; the rows before the first clusters are not rated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.clustering.labeled import load_kdd99, load_shoppers
from models.clustering.online_kmeans import OnlineKMeans
from models.evaluation import answer_stream, one_result
from schemas import BehaviorEvent, ClusterAssignment

Ints = NDArray[np.int64]

#: The first rows of KDD99 that are rated: past its first five attacks and two floods.
KDD_ROWS = 100_000
KDD_CLUSTERS = 16


def assign(model: OnlineKMeans, events: Sequence[BehaviorEvent]) -> tuple[Ints, float]:
    """Return each event's cluster as answered in turn, and the mean squared distance to it."""
    results = [one_result(answer) for answer in answer_stream(model, events)]
    found = [r for r in results if isinstance(r, ClusterAssignment)]
    ids = np.array([r.cluster_id for r in found], np.int64)
    return ids, float(np.mean([r.distance**2 for r in found if r.cluster_id >= 0]))


def assign_by_sklearn(events: Sequence[BehaviorEvent], k: int, step: int, first: int) -> Ints:
    """Return the clusters of MiniBatchKMeans on the same steps, -1 for the first events.

    It is given what it has no part for: a scaler fitted along (StandardScaler.partial_fit).
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.preprocessing import StandardScaler

    names = sorted(events[0].features)
    rows = np.array([[event.features[name] for name in names] for event in events])
    scaler, peer = StandardScaler().fit(rows[:first]), MiniBatchKMeans(k, random_state=1, n_init=4)
    peer.partial_fit(scaler.transform(rows[:first]))
    found = np.full(len(rows), -1)
    for start in range(first, len(rows), step):
        part = rows[start : start + step]
        found[start : start + step] = peer.predict(scaler.transform(part))
        peer.partial_fit(scaler.partial_fit(part).transform(part))
    return found


def purity(found: Ints, classes: NDArray[np.str_]) -> float:
    """Return the share of events whose class is the commonest of their cluster."""
    from sklearn.metrics.cluster import contingency_matrix

    table = contingency_matrix(classes, found)
    return float(table.max(axis=0).sum() / table.sum())


def agreement(found: Ints, classes: Sequence[str]) -> dict[str, float]:
    """Return purity, adjusted Rand index and normalized mutual information of assigned events."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    rated = found >= 0
    truth = np.array(classes)[rated]
    return {
        "purity": purity(found[rated], truth),
        "adjusted Rand": float(adjusted_rand_score(truth, found[rated])),
        "NMI": float(normalized_mutual_info_score(truth, found[rated])),
    }


def compare(events: list[BehaviorEvent], classes: list[str], k: int) -> list[tuple[str, float]]:
    """Return the figures of both on one labeled stream."""
    model = OnlineKMeans(k=k)
    found, _ = assign(model, events)
    peer = assign_by_sklearn(events, k, model.learn_every, int(np.argmax(found >= 0)))
    both = (("online_kmeans", found), ("MiniBatchKMeans", peer))
    return [
        (f"{who}, k={k}: {name}", value)
        for who, clusters in both
        for name, value in agreement(clusters, classes).items()
    ] + [(f"online_kmeans, k={k}: clusters ever made", float(found.max() + 1))]


def evaluate_on(data_dir: Path) -> list[tuple[str, float]]:
    """Return (what, figure) on KDD99 and on the shoppers, as far as the folder has them."""
    figures: list[tuple[str, float]] = []
    for path in sorted((data_dir / "kdd99").glob("*.csv.gz")):
        events, classes = load_kdd99(path, KDD_ROWS)
        rows = compare(events, classes, KDD_CLUSTERS)
        figures += [(f"KDD99, first {len(events)} rows, {name}", value) for name, value in rows]
    for path in sorted((data_dir / "shoppers").glob("*.csv.gz")):
        figures += [
            (f"shoppers, {name}", value) for name, value in compare(*load_shoppers(path), 8)
        ]
    return figures


if __name__ == "__main__":
    for what, figure in evaluate_on(Path(sys.argv[1])):
        print(f"{figure:9.3f}  {what}")
