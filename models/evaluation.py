"""Shared pieces of `penstock eval`: drive an online model as the engine does, and rate scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.base import Answer, OnlineModel
from schemas import Event, InputError

E = TypeVar("E", bound=Event)
R = TypeVar("R")

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def answer_stream(model: OnlineModel[E, R], events: Sequence[E]) -> list[Answer[R]]:
    """Answer every event as the engine would on one partition with offsets from 0.

    Each step of `model.learn_every` events is predicted first and learned afterwards, so that no
    answer has seen its own event; the last step may be short.

    Returns:
        One answer an event, in order.
    """
    answers: list[Answer[R]] = []
    for start in range(0, len(events), model.learn_every):
        step = events[start : start + model.learn_every]
        answers.extend(model.predict_batch(step))
        model.learn_batch(step)
    return answers


def one_result(answer: Answer[R]) -> R:
    """Return the only result of an answer.

    Raises:
        InputError: the model refused the event.
        ValueError: it gave none or a list.
    """
    if isinstance(answer, InputError):
        raise answer
    if answer is None or isinstance(answer, Sequence):
        raise ValueError(f"expected one result for the event, got {answer!r}")
    return answer


def roc_auc(scores: Floats, truth: Bools) -> float:
    """Return the chance that a positive outranks a negative, ties counting half.

    Args:
        scores: (n,), higher is more positive.
        truth: (n,); both classes must occur.

    Raises:
        ValueError: only one class occurs.
    """
    from sklearn.metrics import roc_auc_score

    if truth.all() or not truth.any():
        raise ValueError("the area under the ROC curve needs positives and negatives")
    return float(roc_auc_score(truth, scores))


def f1(flagged: Bools, truth: Bools) -> float:
    """Return the harmonic mean of precision and recall; 0 where nothing is flagged or true."""
    hits = int(np.count_nonzero(flagged & truth))
    total = int(np.count_nonzero(flagged)) + int(np.count_nonzero(truth))
    return 2 * hits / total if total else 0.0


def runs(truth: Bools) -> list[tuple[int, int]]:
    """Return the [start, end) of each run of True, in order."""
    edges = np.flatnonzero(np.diff(np.r_[False, truth, False]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def point_adjusted(flagged: Bools, truth: Bools) -> Bools:
    """Return `flagged` with every true run filled that holds at least one flag.

    Usual for SMAP and MSL, and generous: a random flag inside a long run counts as the whole run.
    Source: Xu et al., 2018, "Unsupervised Anomaly Detection via Variational Auto-Encoder",
    arXiv:1802.03903.
    """
    adjusted = flagged.copy()
    for start, end in runs(truth):
        adjusted[start:end] |= bool(flagged[start:end].any())
    return adjusted
