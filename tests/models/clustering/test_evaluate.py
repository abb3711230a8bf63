"""Online k-means and scikit-learn's MiniBatchKMeans on real behavior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.clustering.evaluate import agreement, compare, purity
from models.clustering.labeled import load_kdd99, load_shoppers


@pytest.mark.slow
def test_groups_connections_at_least_as_well_as_scikit_learn(data_dir: Path) -> None:
    events, classes = load_kdd99(data_dir / "kdd99" / "kdd99_10pct_half.csv.gz", 20_000)
    assert len(events[0].features) == 38
    rated = {(row.model, row.metric): row.value for row in compare(events, classes, 16, "kdd99")}
    kmeans, peer = "online_kmeans (k=16)", "MiniBatchKMeans (k=16)"
    assert rated[kmeans, "NMI"] > rated[peer, "NMI"] - 0.05
    assert rated[kmeans, "purity"] > 0.95


def test_reads_the_shoppers(data_dir: Path) -> None:
    events, bought = load_shoppers(data_dir / "shoppers" / "online_shoppers_intention_half.csv.gz")
    assert len(events) == len(bought) == 6165
    assert set(bought) == {"TRUE", "FALSE"}
    assert len(events[0].features) == 10


def test_figures_of_a_known_grouping() -> None:
    clusters, classes = np.array([-1, 0, 0, 1, 1, 1]), ["x", "a", "a", "b", "b", "a"]
    assert purity(clusters[1:], np.array(classes[1:])) == 0.8
    assert agreement(clusters, classes)["purity"] == 0.8
    assert agreement(np.array([0, 0, 1, 1]), ["a", "a", "b", "b"])["adjusted Rand"] == 1
