"""The learning head: the same as discriminant analysis of all vectors at once."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from models.nlu.streaming_discriminant import StreamingDiscriminant
from models.snapshots import pack, unpack


def digits() -> tuple[np.ndarray, list[str]]:
    rows, numbers = load_digits(return_X_y=True)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [str(n) for n in numbers]


def learned(step: int, count: int = 900) -> StreamingDiscriminant:
    rows, labels = digits()
    head = StreamingDiscriminant(64, 20)
    for i in range(0, count, step):
        head.learn(rows[i : i + step], labels[i : i + step])
    return head


def test_it_classifies_new_vectors() -> None:
    rows, labels = digits()
    head = learned(30)
    answers = head.probabilities(rows[900:]).argmax(axis=1)
    right = [head.labels[k] == label for k, label in zip(answers, labels[900:], strict=True)]
    assert np.mean(right) > 0.87
    np.testing.assert_allclose(head.probabilities(rows).sum(axis=1), 1.0)


def test_means_and_scatter_are_those_of_all_vectors() -> None:
    rows, labels = digits()
    arrays = learned(9).arrays()
    rows, kept = rows[:900].astype(np.float64), np.array(labels[:900])
    centered = rows.copy()
    for k, label in enumerate(learned(9).labels):
        mean = rows[kept == label].mean(axis=0)
        np.testing.assert_allclose(arrays["means"][k], mean, atol=1e-9)
        centered[kept == label] -= mean
    np.testing.assert_allclose(arrays["scatter"], centered.T @ centered, atol=1e-9)


def test_scores_are_about_as_sure_as_they_are_right() -> None:
    rows, labels = digits()
    head = learned(10)
    scores = head.probabilities(rows[900:])
    right = [head.labels[k] == y for k, y in zip(scores.argmax(axis=1), labels[900:], strict=True)]
    assert abs(scores.max(axis=1).mean() - np.mean(right)) < 0.15


def test_classes_without_room_are_refused() -> None:
    rows, labels = digits()
    head = StreamingDiscriminant(64, 3)
    refused = head.learn(rows[:100], labels[:100])
    assert head.labels == list(dict.fromkeys(labels))[:3]
    assert refused == sum(label not in head.labels for label in labels[:100])


def test_a_snapshot_continues() -> None:
    rows, labels = digits()
    head = learned(30, count=450)
    state = pack("m", 1, {}, {"classes": head.labels}, head.arrays())
    again = StreamingDiscriminant.load(64, 20, unpack(state, "m", 1, {}))
    for each in (head, again):
        each.learn(rows[450:500], labels[450:500])
    assert np.array_equal(head.probabilities(rows), again.probabilities(rows))
