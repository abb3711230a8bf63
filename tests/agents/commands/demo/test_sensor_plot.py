from pathlib import Path

import numpy as np
from PIL import Image

from agents.commands.demo.sensor_plot import SensorLog, plot_series
from schemas import SensorReading
from tests.agents.commands.demo.worlds import score


def log_of(scores: dict[str, list[float]]) -> SensorLog:
    log = SensorLog()
    for source_id, values_of_source in scores.items():
        for number, value in enumerate(values_of_source):
            event_id = f"{source_id}-{number}"
            values = {"a": float(number), "b": 10.0 * number}
            reading = SensorReading(source_id=source_id, event_id=event_id, values=values)
            log.add(reading, score(event_id, source_id, value, channel="b"))
    return log


def test_readings_are_joined_with_their_scores() -> None:
    (series,) = log_of({"pump": [0.1, 0.2, 0.9]}).series(3)
    assert series.channel == "b"
    assert series.values == [0.0, 10.0, 20.0]
    assert series.scores == [0.1, 0.2, 0.9]
    assert series.is_anomaly == [False, False, True]
    assert series.num_anomalies == 1


def test_the_clearest_anomalies_come_first() -> None:
    log = log_of({"quiet": [0.1] * 10, "wild": [0.9] * 10, "clear": [0.1] * 9 + [0.9]})
    assert [s.source_id for s in log.series(3)] == ["clear", "quiet", "wild"]
    assert len(log.series(2)) == 2


def test_the_plot_marks_anomalies(tmp_path: Path) -> None:
    def marks(scores: list[float]) -> int:
        plot_series(log_of({"pump": scores}).series(1), tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        assert pixels.shape[1] > 900
        is_mark = np.abs(pixels - (0xD5, 0x5E, 0x00)).sum(axis=2) < 30
        return int(is_mark.sum())

    unmarked = marks([0.1] * 20)  # the legend's entry alone
    assert marks([0.1] * 10 + [0.9] + [0.1] * 9) > unmarked + 20
