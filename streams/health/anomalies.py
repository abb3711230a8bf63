"""Count the answers of a batch that a model calls anomalies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def num_anomalies(answers: Sequence[Any]) -> int:
    """Return how many answers, or results in answers that are lists, have `is_anomaly` set.

    Results of a model that scores nothing have no such field: then this looks at the first answer
    alone. So it costs nothing per record there, and a list access per record elsewhere.
    """
    if not answers or not _may_flag(answers[0]):
        return 0
    try:
        return [answer.is_anomaly for answer in answers].count(True)
    except AttributeError:  # some are refused, have no answer, or have several results
        return sum(map(_flagged, answers))


def _may_flag(answer: Any) -> bool:
    """Whether answers like this one may be anomalies."""
    is_other = answer is None or isinstance(answer, list | tuple | Exception)
    return is_other or hasattr(answer, "is_anomaly")


def _flagged(answer: Any) -> int:
    results = answer if isinstance(answer, list | tuple) else (answer,)
    return sum(getattr(result, "is_anomaly", False) is True for result in results)
