"""What `device: auto` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.pipeline.devices import choose_devices
from models.anomaly.robust_zscore import RobustZScore
from models.detection.traffic_detector import TrafficDetector


def test_a_device_that_is_named_is_the_only_one() -> None:
    assert choose_devices("cpu", TrafficDetector) == ["cpu"]
    assert choose_devices("cuda", TrafficDetector) == ["cuda:0"]
    assert choose_devices("cuda:1", RobustZScore) == ["cuda:1"]


@pytest.mark.parametrize(
    ("driver", "expected"), [("/dev/null", ["cuda:0", "cpu"]), ("/dev/absent", ["cpu"])]
)
def test_auto_takes_the_gpu_where_there_is_one_and_the_model_can_use_it(
    driver: str, expected: list[str]
) -> None:
    assert choose_devices("auto", TrafficDetector, Path(driver)) == expected
    assert choose_devices("auto", RobustZScore, Path(driver)) == ["cpu"]
