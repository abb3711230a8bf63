"""Functions that evaluations share: drive an online model as the engine does; rate scores."""

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
    """Answer events as the engine does on one partition with offsets from 0.

    Each step of `model.learn_every` events is predicted first and learned afterwards, so that no
    answer depends on having learned its event. The last step may be shorter.

    Returns:
        One answer for each event, in order.
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
        InputError: the answer is an error.
        ValueError: the answer is none or a list.
    """
    if isinstance(answer, InputError):
        raise answer
    if answer is None or isinstance(answer, Sequence):
        raise ValueError(f"expected one result for the event, got {answer!r}")
    return answer


def roc_auc(scores: Floats, truth: Bools) -> float:
    """Return the probability that a positive scores higher than a negative; ties count half.

    Args:
        scores: (n,), higher is more positive.
        truth: (n,), with both classes.

    Raises:
        ValueError: only one class occurs.
    """
    from sklearn.metrics import roc_auc_score

    if truth.all() or not truth.any():
        raise ValueError("the area under the ROC curve needs positives and negatives")
    return float(roc_auc_score(truth, scores))


def f1(flagged: Bools, truth: Bools) -> float:
    """Return the harmonic mean of precision and recall; 0 if nothing is flagged or true."""
    hits = int(np.count_nonzero(flagged & truth))
    total = int(np.count_nonzero(flagged)) + int(np.count_nonzero(truth))
    return 2 * hits / total if total else 0.0


def runs(truth: Bools) -> list[tuple[int, int]]:
    """Return the [start, end) of each run of True, in order."""
    edges = np.flatnonzero(np.diff(np.r_[False, truth, False]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def point_adjusted(flagged: Bools, truth: Bools) -> Bools:
    """Return `flagged` with every true run filled in that has at least one flag.

    This is usual for SMAP and MSL, and generous: one random flag in a long run counts as all of it.
    Source: Xu et al., 2018, "Unsupervised Anomaly Detection via Variational Auto-Encoder",
    arXiv:1802.03903.
    """
    adjusted = flagged.copy()
    for start, end in runs(truth):
        adjusted[start:end] |= bool(flagged[start:end].any())
    return adjusted
