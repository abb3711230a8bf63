"""Raw scores remembered between answering and learning."""

from __future__ import annotations

import numpy as np

from models.anomaly.score_memo import ScoreMemo
from schemas import SensorReading


def reading() -> SensorReading:
    return SensorReading(source_id="s", values={"v": 1.0})


def test_scores_of_several_answers_are_taken_once() -> None:
    memo, log = ScoreMemo(), [reading() for _ in range(5)]
    memo.remember(log[:3], np.array([1.0, 2.0, 3.0]))
    memo.remember(log[3:], np.array([4.0, 5.0]))
    taken = memo.take(log)
    assert taken is not None
    assert [column.tolist() for column in taken] == [[1.0, 2.0, 3.0, 4.0, 5.0]]
    assert memo.take(log) is None


def test_an_equal_reading_that_was_not_scored_has_no_score() -> None:
    memo = ScoreMemo()
    memo.remember([reading()], np.array([1.0]))
    assert memo.take([reading()]) is None
