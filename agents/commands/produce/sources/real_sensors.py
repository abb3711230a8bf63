"""Sensor readings from public data sets: one source id per file, the files interleaved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents.commands.produce.sources.source import round_robin
from agents.commands.produce.sources.tables import Columns, sensor_readings
from schemas import SensorReading

_SKAB_CHANNELS = (
    "Accelerometer1RMS",
    "Accelerometer2RMS",
    "Current",
    "Pressure",
    "Temperature",
    "Thermocouple",
    "Voltage",
    "Volume Flow RateRMS",
)


def nab(folder: Path) -> Iterator[SensorReading]:
    """Yield the Numenta Anomaly Benchmark's univariate series: `value`, every 5 minutes."""
    columns = Columns(time="timestamp", values=("value",))
    paths = sorted((folder / "data").glob("*/*.csv"))
    return round_robin(sensor_readings(path, columns) for path in paths)


def skab(folder: Path) -> Iterator[SensorReading]:
    """Yield SKAB's valve runs: 8 channels every second, without the labels."""
    return round_robin(
        sensor_readings(
            path, Columns(time="datetime", values=_SKAB_CHANNELS, source_id=f"valve-{path.stem}")
        )
        for path in sorted((folder / "valve1").glob("*.csv"))
    )


def spacecraft(folder: Path) -> Iterator[SensorReading]:
    """Yield the test parts of SMAP's and MSL's telemetry: one value a row, no time.

    The one-hot commands in the same rows are left out: they are not measurements.
    """
    return round_robin(_telemetry(path) for path in sorted(folder.glob("*.npz")))


def _telemetry(path: Path) -> Iterator[SensorReading]:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        values = arrays["test"][:, 0].tolist()
    for value in values:
        yield SensorReading(source_id=path.stem, values={"telemetry": value})


def walking(folder: Path) -> Iterator[SensorReading]:
    """Yield the acceleration of walkers' phones in m/s2, about 30 readings a second.

    The data's clock starts at 0 for each walker, so it is not used as the event time.
    """
    columns = Columns(
        names=("seconds", "x_m_s2", "y_m_s2", "z_m_s2"), values=("x_m_s2", "y_m_s2", "z_m_s2")
    )
    paths = sorted(folder.glob("user_*.csv.gz"))
    return round_robin(sensor_readings(path, columns) for path in paths)
