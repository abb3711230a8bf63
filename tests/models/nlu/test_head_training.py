from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.encoder import EncoderSettings
from models.nlu.head_rating import rate_head
from models.nlu.head_training import fit_head, fit_head_with_threshold

SETTINGS = EncoderSettings("test", "mean", True)


def blobs(labels: list[str], count: int, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Draw `count` unit vectors about one axis of R^8 per label."""
    chance = np.random.default_rng(seed)
    centers = np.repeat(np.eye(8)[: len(labels)], count, axis=0)
    vectors = centers + 0.15 * chance.standard_normal(centers.shape)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), [label for label in labels for _ in range(count)]


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c", "oos"]])
def test_a_head_learns_separable_classes(labels: list[str]) -> None:
    head = fit_head(*blobs(labels, 20), SETTINGS)
    rating = rate_head(head, *blobs(labels, 50, seed=1))
    assert head.labels == tuple(sorted(labels))
    assert rating.in_scope_accuracy > 0.97


def test_two_labels_give_scikit_learns_probabilities() -> None:
    """scikit-learn has one row of weights for two labels, this head two with the same softmax."""
    from sklearn.linear_model import LogisticRegression

    vectors, labels = blobs(["a", "b"], 10)
    reference = LogisticRegression(C=30.0, max_iter=500).fit(vectors, labels)
    actual = fit_head(vectors, labels, SETTINGS).probabilities(vectors)
    np.testing.assert_allclose(actual, reference.predict_proba(vectors), atol=1e-5)


def test_same_texts_give_the_same_head() -> None:
    first, second = (
        fit_head_with_threshold(*blobs(["a", "b", "c"], 10), SETTINGS) for _ in range(2)
    )
    assert first.fingerprint() == second.fingerprint()


def test_the_threshold_loses_about_the_given_share_of_right_answers() -> None:
    strict = fit_head_with_threshold(*blobs(["a", "b", "c"], 60), SETTINGS, lost=0.4)
    rating = rate_head(strict, *blobs(["a", "b", "c"], 200, seed=3))
    assert 0.45 < rating.in_scope_accuracy < 0.75  # of 1 - 0.4; drawn anew
    assert math.isnan(rating.oos_recall)


def test_scores_are_on_average_the_share_of_right_answers() -> None:
    """A third of the labels of `a` and `b` are exchanged; rated on texts drawn anew."""

    def draw(seed: int) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
        vectors, intents = blobs(["a", "b", "c"], 300, seed)
        truth = np.array(intents)
        exchanged = np.random.default_rng(seed).random(len(truth)) < 1 / 3
        names = np.where(truth == "a", "b", np.where(truth == "b", "a", "c"))
        return vectors, np.where(exchanged, names, truth)

    vectors, truth = draw(0)
    head = fit_head_with_threshold(vectors, truth.tolist(), SETTINGS)
    vectors, truth = draw(1)
    scores = head.scores(vectors)
    is_right = np.array(head.labels)[scores.argmax(axis=1)] == truth
    unsure = np.arange(len(truth)) < 600
    best = scores.max(axis=1)
    assert is_right.mean() < 0.85
    assert abs(best.mean() - is_right.mean()) < 0.07
    assert best[~unsure].mean() > best[unsure].mean() + 0.05


def test_vectors_unlike_the_training_texts_are_below_the_threshold() -> None:
    head = fit_head_with_threshold(*blobs(["a", "b", "c"], 60), SETTINGS)
    strangers = blobs(["a", "b", "c", "x", "y"], 50, seed=2)[0][150:]
    assert rate_head(head, *_with_known(strangers)).oos_recall > 0.8


def _with_known(strangers: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[str]]:
    known, labels = blobs(["a", "b", "c"], 5, seed=4)
    return np.concatenate([known, strangers]), labels + ["oos"] * len(strangers)


def test_single_label_is_refused() -> None:
    with pytest.raises(ModelError, match="at least two different"):
        fit_head(*blobs(["a"], 5), SETTINGS)


def test_label_with_one_text_is_named() -> None:
    vectors, labels = blobs(["a", "b"], 3)
    with pytest.raises(ModelError, match="'rare' has one text"):
        fit_head_with_threshold(vectors, [*labels[:-1], "rare"], SETTINGS)
