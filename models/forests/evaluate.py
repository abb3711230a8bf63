"""Measure the forests beside the libraries that they stand for: river and scikit-learn.

    python -m models.forests.evaluate

Speeds are rows a second of CPU time on one thread, of both contenders in one run. The data comes
with the libraries: ImageSegments (UCI), SEA (Street and Kim, 2001) whose concept changes halfway,
and scikit-learn's digits.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from models.evaluation import Measure, Row, answer_stream, one_result, print_rows
from models.forests.adaptive_random_forest import AdaptiveRandomForest
from models.forests.saved_forest import from_sklearn
from schemas import BehaviorEvent, Event, Feedback

TASK = "forests"
_SEEDS = (0, 1, 2)
_DELAYS = (0, 100)


class _Stream(NamedTuple):
    name: str
    rows: Sequence[tuple[dict[str, float], Any]]


def evaluate_on(data_dir: Path) -> list[Row]:
    """Measure on data of the libraries; `data_dir` is not read. About 10 minutes on one core."""
    rows: list[Row] = []
    for seed in _SEEDS:
        for stream in (_image_segments(), _sea(seed)):
            rows += _rate_river(stream, seed)
            for delay in _DELAYS:
                rows += _rate_adaptive(stream, seed, delay)
    return [*rows, *_rate_served()]


def _image_segments() -> _Stream:
    from river.datasets import ImageSegments

    return _Stream("ImageSegments", list(ImageSegments()))


def _sea(seed: int) -> _Stream:
    from river.datasets.synth import SEA, ConceptDriftStream

    stream = ConceptDriftStream(
        stream=SEA(variant=0, noise=0.1, seed=seed),
        drift_stream=SEA(variant=2, noise=0.1, seed=seed + 1),
        position=5000, width=500, seed=seed,
    )  # fmt: skip
    rows = [({str(k): v for k, v in x.items()}, y) for x, y in stream.take(10_000)]
    return _Stream("SEA with drift", rows)


def _rate_river(stream: _Stream, seed: int) -> list[Row]:
    from river.forest import ARFClassifier

    model, right = ARFClassifier(seed=seed), 0

    def run() -> None:
        nonlocal right
        for x, y in stream.rows:
            right += model.predict_one(x) == y
            model.learn_one(x, y)

    seconds = _cpu_seconds(run)
    what = f"{stream.name}, labels 0 records late"
    return _measures("river's ARFClassifier", what, right / len(stream.rows), seconds, stream, seed)


def _rate_adaptive(stream: _Stream, seed: int, delay: int) -> list[Row]:
    """Rate the answers that are given before the labels come."""
    log: list[Event] = []
    for i, (x, _) in enumerate(stream.rows):
        log.append(BehaviorEvent(action="row", features=x, event_id=str(i)))
        if i >= delay:
            log.append(Feedback(label=str(stream.rows[i - delay][1]), about=str(i - delay)))
    model = AdaptiveRandomForest(seed=seed)
    answers: list[Any] = []
    seconds = _cpu_seconds(lambda: answers.extend(answer_stream(model, log)))
    given = [one_result(answer).label for answer in answers if answer is not None]
    right = np.mean([label == str(y) for label, (_, y) in zip(given, stream.rows, strict=True)])
    what = f"{stream.name}, labels {delay} records late"
    return _measures("adaptive_random_forest", what, float(right), seconds, stream, seed)


def _measures(
    model: str, what: str, accuracy: float, seconds: float, stream: _Stream, seed: int
) -> list[Row]:
    speed = len(stream.rows) / seconds
    return [
        Measure(
            task=TASK, dataset=what, model=model, metric=metric, value=value, seed=seed
        )
        for metric, value in (("accuracy", accuracy), ("rows a second", speed))
    ]  # fmt: skip


def _rate_served() -> list[Row]:
    """Compare a saved forest with scikit-learn's on the digits that it was not trained on."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier

    rows, digits = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(rows[::2], digits[::2])
    saved = from_sklearn(forest, [f"pixel_{i}" for i in range(rows.shape[1])])
    batches = [rows[1::2][i : i + 32].astype(np.float32) for i in range(0, 896, 32)]
    found: dict[str, list[Any]] = {}
    measures: list[Row] = []
    for name, scores in (
        ("random_forest", saved.scores),
        ("scikit-learn's RandomForestClassifier", forest.predict_proba),
    ):
        made = found[name] = []
        seconds = _cpu_seconds(lambda scores=scores, made=made: made.extend(map(scores, batches)))  # type: ignore[misc]
        accuracy = np.mean(np.argmax(np.concatenate(made), axis=1) == digits[1::2][:896])
        what = "digits, every second row, batches of 32"
        for metric, value in (("accuracy", float(accuracy)), ("rows a second", 896 / seconds)):
            measures.append(
                Measure(task=TASK, dataset=what, model=name, metric=metric, value=value, seed=0)
            )
    return measures


def _cpu_seconds(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


if __name__ == "__main__":
    print_rows(evaluate_on(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
