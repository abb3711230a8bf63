"""What evaluations share: the row they return, driving an online model, rating scores."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.base import Answer, OnlineModel
from schemas import Event, InputError

E = TypeVar("E", bound=Event)
R = TypeVar("R")

#: Seeds from here on are for measuring: training refuses them.
UNSEEN_SEED = 1_000_000

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured figure of one model on one data set: a row of `penstock eval`."""

    task: str
    """The folder in `models/` whose `evaluate_on` measured it, such as `detection`."""
    dataset: str
    """The data's folder, such as `coco_photos`, or what was generated, such as `rendered scenes`;
    behind a comma, which part of it and how much."""
    model: str
    """The registered name; in brackets behind it, what sets this variant apart: its file, its
    training or its options. A model that is measured for comparison only has its own name."""
    metric: str
    """What the value is, such as `mAP50`, with the threshold if there is one."""
    value: float
    higher_is_better: bool | None = True
    """None for figures without a better side, such as a threshold that was found."""
    seed: int | None = None
    """Seed of what was drawn or generated; None if nothing was."""
    command: str = ""
    """The command that measures it again; `penstock eval` fills in an empty one."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A data set that was not measured, and why."""

    task: str
    dataset: str
    reason: str


Row: TypeAlias = Measure | Skipped


def without_data(task: str, *datasets: str) -> list[Row]:
    """Return a `Skipped` for each data set that the folder of data lacks."""
    return [
        Skipped(task=task, dataset=name, reason="not in the folder of data") for name in datasets
    ]


def measures(
    task: str,
    dataset: str,
    model: str,
    values: Mapping[str, float],
    *,
    lower_is_better: Collection[str] = (),
    neither: Collection[str] = (),
    seed: int | None = None,
) -> list[Row]:
    """Return a row for each value of one model on one data set.

    Args:
        task: as of `Measure`.
        dataset: as of `Measure`.
        model: as of `Measure`.
        values: by metric.
        lower_is_better: metrics of which less is better.
        neither: metrics without a better side.
        seed: as of `Measure`.
    """
    return [
        Measure(
            task=task,
            dataset=dataset,
            model=model,
            metric=metric,
            value=float(value),
            higher_is_better=None if metric in neither else metric not in lower_is_better,
            seed=seed,
        )
        for metric, value in values.items()
    ]


def figures(rows: Iterable[Row]) -> dict[str, float]:
    """Return the values of measures by "model, dataset: metric"; what was skipped is left out."""
    return {f"{r.model}, {r.dataset}: {r.metric}": r.value for r in rows if isinstance(r, Measure)}


def print_rows(rows: Iterable[Row]) -> None:
    """Print each measure, and what was skipped, in a line."""
    for row in rows:
        if isinstance(row, Skipped):
            print(f"  skipped  {row.dataset}: {row.reason}")
        else:
            print(f"{row.value:9.3f}  {row.model}, {row.dataset}: {row.metric}")


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
