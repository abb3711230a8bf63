"""Workloads `a`, `d` and `live`: readings of 8 values in, their mean out; `d` sleeps in addition.

The mean is cheap on purpose: the bench measures the way of the record, not the arithmetic.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from workloads.envelope import Answer

#: The time of workload `d`'s stub, which stands for a device that predicts a batch.
SECONDS_PER_BATCH, SECONDS_PER_ITEM = 0.005, 20e-6


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One reading: the fields of Penstock's `SensorReading`."""

    source_id: str
    event_time_ms: int
    event_id: str
    values: dict[str, float]


class Score(Answer, kw_only=True):
    """The mean of a reading's values."""

    score: float


_decode = msgspec.json.Decoder(Reading).decode


def decode_batch(values: Sequence[bytes], keys: Any, timestamps_ms: Any) -> list[Reading]:
    """Return the readings; keys and timestamps hold nothing beyond the values."""
    return [_decode(value) for value in values]


def mean_scores(readings: Sequence[Any]) -> list[float]:
    """Return the mean of each reading's values.

    In plain Python: copying eight numbers of a dict into an array costs more than adding them.
    """
    return [sum(reading.values.values()) / len(reading.values) for reading in readings]


def slow_scores(readings: Sequence[Any]) -> list[float]:
    """Return the same, after the time that the stub takes."""
    time.sleep(SECONDS_PER_BATCH + SECONDS_PER_ITEM * len(readings))
    return mean_scores(readings)


def answer_batch(readings: Sequence[Reading]) -> list[Answer]:
    """Answer as a peer does (workload `a`)."""
    return [Score(score=score) for score in mean_scores(readings)]


def answer_batch_slowly(readings: Sequence[Reading]) -> list[Answer]:
    """Answer as a peer does (workload `d`)."""
    return [Score(score=score) for score in slow_scores(readings)]
