"""Anomalies are counted whatever else the answers of a batch are."""

from __future__ import annotations

from typing import Any

import pytest

from schemas import AnomalyScore, InputError, TextEmbedding
from streams.health.anomalies import num_anomalies

_QUIET, _LOUD = (AnomalyScore(score=x, is_anomaly=x > 1, threshold=1.0) for x in (0.1, 9.0))
_OTHER = TextEmbedding(dimension=2)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], 0),
        ([_QUIET, _LOUD, _LOUD], 2),
        ([_OTHER, _OTHER], 0),
        ([None, _LOUD], 1),
        ([_LOUD, InputError("bad"), _QUIET], 1),
        ([InputError("bad"), [_LOUD, _QUIET], (_LOUD,)], 2),
        ([None, None], 0),
    ],
)
def test_num_anomalies(answers: list[Any], expected: int) -> None:
    assert num_anomalies(answers) == expected
