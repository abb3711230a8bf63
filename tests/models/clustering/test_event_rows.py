"""Rows are made once for an event that is answered and learned, and never mixed up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.clustering.event_rows import RowMemo, with_new_names
from models.feature_rows import feature_rows
from schemas import BehaviorEvent

NAMES = ["a", "b"]


def events(count: int) -> list[BehaviorEvent]:
    return [
        BehaviorEvent(source_id="u", action="x", features={"a": float(i), "b": 0.0})
        for i in range(count)
    ]


class Maker:
    def __init__(self) -> None:
        self.num_made = 0

    def __call__(self, batch: Sequence[BehaviorEvent], names: Sequence[str]) -> NDArray[np.float64]:
        self.num_made += len(batch)
        return feature_rows([event.features for event in batch], names)


def test_remembered_rows_are_not_made_again() -> None:
    memo, make, log = RowMemo[BehaviorEvent](), Maker(), events(5)
    for part in (log[:2], log[2:]):
        memo.remember(part, NAMES, make(part, NAMES))
    rows = memo.take(log, NAMES, make)
    assert rows[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert make.num_made == 5
    memo.take(log, NAMES, make)
    assert make.num_made == 10


def test_other_events_other_names_and_other_counts_are_made_anew() -> None:
    memo, make, log = RowMemo[BehaviorEvent](), Maker(), events(4)
    for step, names in ((events(4), NAMES), (log, [*NAMES, "c"]), (log[:3], NAMES), (log, ["b"])):
        memo.remember(log, NAMES, np.full((4, 2), -1.0))
        assert -1.0 not in memo.take(step, names, make)


def test_what_is_answered_and_never_learned_takes_bounded_memory() -> None:
    memo, log = RowMemo[BehaviorEvent](), events(1000)
    for _ in range(30):
        memo.remember(log, NAMES, np.zeros((1000, 100)))
    assert sum(part.size for part in memo._rows) <= 2_000_000
    assert len(memo._events) <= 20_000


def test_new_names_come_sorted_behind_the_known_ones() -> None:
    assert with_new_names(["z"], [{"z": 1.0}, {"y": 1.0, "b": 2.0}]) == ["z", "b", "y"]
