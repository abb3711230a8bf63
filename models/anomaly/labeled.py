"""Read labeled series for evaluation from the folders of NAB, SKAB and SMAP/MSL."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas import SensorReading

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: NAB: the share of a file's rows, and the most rows, that are not scored at the start.
NAB_PROBATION, NAB_PROBATION_ROWS = 0.15, 750
#: SKAB's leaderboard: the training rows at the start of a file.
SKAB_TRAIN_ROWS = 400
_SKAB_CHANNELS = 8


class LabeledSeries(NamedTuple):
    """One series of readings with its labels."""

    name: str
    readings: list[SensorReading]
    truth: Bools
    """(rows,) whether each row is anomalous."""
    warm_up: int
    """Rows at the start that are not scored."""
    windows: list[tuple[int, int]]
    """First and last row of each anomaly, inclusive."""


def load_nab(folder: Path) -> list[LabeledSeries]:
    """Read NAB's files (`data/<category>/<file>.csv`, `labels/combined_windows.json`), sorted.

    Raises:
        FileNotFoundError: the labels are absent.
    """
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    paths = sorted((folder / "data").glob("*/*.csv"))
    return [_nab_file(path, labels[f"{path.parent.name}/{path.name}"]) for path in paths]


def _nab_file(path: Path, labels: list[list[str]]) -> LabeledSeries:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    times = [_milliseconds(row["timestamp"]) for row in rows]
    values = [{"value": float(row["value"])} for row in rows]
    # Labels are written as "2015-03-17 03:31:00.000000", rows without the fraction.
    edges = np.array([[_milliseconds(t[:19]) for t in pair] for pair in labels], np.int64)
    windows = np.column_stack(
        [
            np.searchsorted(times, edges.reshape(-1, 2)[:, 0], "left"),
            np.searchsorted(times, edges.reshape(-1, 2)[:, 1], "right") - 1,
        ]
    )
    name = f"{path.parent.name}/{path.name}"
    warm_up = int(min(NAB_PROBATION * len(rows), NAB_PROBATION_ROWS))
    return _series(name, times, values, [(int(a), int(b)) for a, b in windows], warm_up)


def load_skab(folder: Path) -> list[LabeledSeries]:
    """Read SKAB's files of one experiment by number; the first 400 rows are for training."""
    return [_skab_file(path) for path in sorted(folder.glob("*.csv"), key=lambda p: int(p.stem))]


def _skab_file(path: Path) -> LabeledSeries:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    channels = list(rows[0])[1 : 1 + _SKAB_CHANNELS]
    values = [{channel: float(row[channel]) for channel in channels} for row in rows]
    times = [_milliseconds(row["datetime"]) for row in rows]
    edges = np.flatnonzero(np.diff([0.0, *(float(row["anomaly"]) for row in rows), 0.0]))
    windows = [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]
    return _series(f"valve1/{path.name}", times, values, windows, SKAB_TRAIN_ROWS)


def load_telemetry(folder: Path) -> list[LabeledSeries]:
    """Read the channels of SMAP and MSL: the telemetry value only, `train` before `test`."""
    with (folder / "labeled_anomalies.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["chan_id"])
    return [_telemetry(folder, row["chan_id"], row["anomaly_sequences"]) for row in rows]


def _telemetry(folder: Path, channel: str, sequences: str) -> LabeledSeries:
    with np.load(folder / f"{channel}.npz", allow_pickle=False) as arrays:
        train, test = arrays["train"][:, 0], arrays["test"][:, 0]
    values = [{"value": float(value)} for value in np.concatenate([train, test])]
    windows = [(len(train) + a, len(train) + b) for a, b in json.loads(sequences)]
    return _series(channel, list(range(len(values))), values, windows, len(train))


def _series(
    name: str,
    times: list[int],
    values: list[dict[str, float]],
    windows: list[tuple[int, int]],
    warm_up: int,
) -> LabeledSeries:
    readings = [
        SensorReading(source_id=name, event_time_ms=time, values=value)
        for time, value in zip(times, values, strict=True)
    ]
    truth = np.zeros(len(readings), np.bool_)
    for first, last in windows:
        truth[first : last + 1] = True
    return LabeledSeries(name, readings, truth, warm_up, sorted(windows))


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000
