"""The silhouette is scikit-learn's, and it finds the number of blobs."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.online_kmeans import OnlineKMeans
from models.clustering.silhouette import choose_k, silhouette
from models.evaluation import answer_stream
from tests.models.clustering.streams import blobs, events_of


@pytest.mark.parametrize("k", [2, 3, 7])
def test_as_scikit_learn(k: int) -> None:
    from sklearn.metrics import silhouette_score

    points, index = blobs(200, spread=0.3), np.arange(200) % k
    index[0] = 99  # alone
    expected = silhouette_score(points, index)
    assert silhouette(points, index) == pytest.approx(expected, abs=1e-6)


def test_one_cluster_has_no_silhouette() -> None:
    assert silhouette(blobs(30), np.zeros(30, np.int64)) == 0.0


def test_finds_the_number_of_blobs() -> None:
    assert choose_k(blobs(3000), 8, np.random.default_rng(0)) == 3


def test_online_kmeans_seeds_as_many_as_the_silhouette_says() -> None:
    model = OnlineKMeans(k=8, k_by_silhouette=True)
    answer_stream(model, events_of(blobs(2000)))
    update = model.update()
    assert update is not None
    assert len(update.clusters) == 3
    other = OnlineKMeans(k=8, k_by_silhouette=True)
    other.restore(model.snapshot())
    answer_stream(model, events_of(blobs(2000, seed=5)))
    answer_stream(other, events_of(blobs(2000, seed=5)))
    assert other.snapshot() == model.snapshot()
    assert len(other._clusters.centers) == 3
