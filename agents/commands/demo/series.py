"""What was measured and how unusual each reading was found, for a plot."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from schemas import AnomalyScore, Event, Result, SensorReading

MAX_PENDING = 20_000
MAX_POINTS = 100_000
#: More anomalies than so many make a series no clearer.
_ENOUGH_MARKS = 5


@dataclass(frozen=True, slots=True)
class Scored:
    """One reading with its score."""

    values: dict[str, float]
    score: AnomalyScore


@dataclass(frozen=True)
class Series:
    """One channel of one sensor, in the order of its readings."""

    source_id: str
    channel: str
    values: list[float]
    scores: list[float]
    thresholds: list[float]
    is_anomaly: list[bool]

    @property
    def num_anomalies(self) -> int:
        """How many readings are marked."""
        return sum(self.is_anomaly)


class SensorLog:
    """Keeps the latest `MAX_POINTS` readings with their scores."""

    def __init__(self) -> None:
        self._pending: OrderedDict[str, dict[str, float]] = OrderedDict()
        self._points: deque[Scored] = deque(maxlen=MAX_POINTS)
        self._lock = threading.Lock()

    def sent(self, event: Event) -> None:
        """Keep a reading until its score comes."""
        if not isinstance(event, SensorReading):
            return
        with self._lock:
            self._pending[event.event_id] = event.values
            if len(self._pending) > MAX_PENDING:
                self._pending.popitem(last=False)

    def answered(self, result: Result) -> None:
        """Join a score with its reading."""
        if not isinstance(result, AnomalyScore):
            return
        with self._lock:
            values = self._pending.pop(result.event_id, None)
            if values is not None:
                self._points.append(Scored(values, result))

    def series(self, max_series: int) -> list[Series]:
        """Return the series with the clearest anomalies, one channel each, the clearest first."""
        with self._lock:
            points = list(self._points)
        by_source: dict[str, list[Scored]] = {}
        for point in points:
            by_source.setdefault(point.score.source_id, []).append(point)
        ranked = sorted(by_source.values(), key=_clearness, reverse=True)
        return [_one_channel(own) for own in ranked[:max_series]]


def _clearness(points: Sequence[Scored]) -> float:
    """Rank series: a few anomalies that stand out from the rest come first, none come last."""
    marked = [p.score.score for p in points if p.score.is_anomaly]
    if not marked:
        return 0.0
    num_rest = len(points) - len(marked)
    rest = sum(p.score.score for p in points if not p.score.is_anomaly) / max(num_rest, 1)
    contrast = sum(marked) / len(marked) - rest
    # A single mark is often the first move of a series that was only just learnt.
    return contrast * min(len(marked), _ENOUGH_MARKS) * (num_rest / len(points)) ** 2


def _one_channel(points: list[Scored]) -> Series:
    blamed = Counter(p.score.channel for p in points if p.score.is_anomaly and p.score.channel)
    channel = blamed.most_common(1)[0][0] if blamed else next(iter(points[0].values))
    own = [p for p in points if channel in p.values]
    return Series(
        source_id=points[0].score.source_id,
        channel=channel,
        values=[p.values[channel] for p in own],
        scores=[p.score.score for p in own],
        thresholds=[p.score.threshold for p in own],
        is_anomaly=[p.score.is_anomaly for p in own],
    )
