"""Streams of vectors for the tests of detectors that compare channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.evaluation import answer_stream, one_result
from schemas import AnomalyScore, SensorReading


def related(count: int, seed: int = 0, source: str = "s", start: int = 0) -> list[SensorReading]:
    """Three channels: `a` swings, `b` goes with it, `c` is noise."""
    rng = np.random.default_rng(seed)
    a = np.sin(2 * np.pi * (start + np.arange(count)) / 40) + 0.1 * rng.normal(size=count)
    b = 100 + 5 * a + 0.25 * rng.normal(size=count)
    c = rng.normal(size=count)
    return [vector(source, *row) for row in np.stack([a, b, c], axis=1).tolist()]


def vector(source: str, a: float, b: float, c: float) -> SensorReading:
    return SensorReading(source_id=source, values={"a": a, "b": b, "c": c})


def answers(model: Any, log: list[SensorReading]) -> list[AnomalyScore]:
    return [one_result(answer) for answer in answer_stream(model, log)]
