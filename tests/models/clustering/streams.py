"""Made-up behavior for the tests of the models of micro-clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.clustering.micro_model import MicroClusterModel
from schemas import BehaviorEvent, ClusterAssignment, ClusterReport, ClusterUpdate

Floats = NDArray[np.float64]

#: Three blobs in the unit square.
BLOBS = np.array([[0.1, 0.1], [0.9, 0.2], [0.5, 0.9]])


def event(**features: float) -> BehaviorEvent:
    return BehaviorEvent(source_id="u", action="a", features=features)


def events_of(rows: Floats) -> list[BehaviorEvent]:
    return [event(x=float(x), y=float(y)) for x, y in rows]


def blobs(count: int, seed: int = 0, centers: Floats = BLOBS, spread: float = 0.02) -> Floats:
    """Return points (count, 2), one of each blob in turn."""
    noise = np.random.default_rng(seed).normal(0.0, spread, (count, 2))
    return centers[np.arange(count) % len(centers)] + noise


def learn(model: MicroClusterModel, events: Sequence[BehaviorEvent]) -> MicroClusterModel:
    for start in range(0, len(events), model.learn_every):
        model.learn_batch(events[start : start + model.learn_every])
    return model


def assignments(
    model: MicroClusterModel, events: Sequence[BehaviorEvent]
) -> list[ClusterAssignment]:
    answers = [answer for answer in model.predict_batch(events) if answer is not None]
    assert len(answers) == len(events)
    return answers


def assign(model: MicroClusterModel, **features: float) -> ClusterAssignment:
    return assignments(model, [event(**features)])[0]


def kinds_of(model: MicroClusterModel, centers: Floats = BLOBS) -> list[int]:
    """Return the cluster at each center."""
    return [assign(model, x=float(x), y=float(y)).cluster_id for x, y in centers]


def report_of(model: MicroClusterModel, partition: int, sequence: int) -> ClusterReport:
    """Return a model's update as the merging agent reads it."""
    update = model.update()
    assert isinstance(update, ClusterUpdate)
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
