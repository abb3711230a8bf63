"""The suppression of whole batches, on the CPU, against the one that goes box by box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detection import device_nms
from models.detection.boxes import Selected, choose, nms_of_frames
from models.detection.device_nms import DeviceNms
from models.detection.traffic_detector import TrafficDetector
from tests.models.detection.crowds import crowded_frames
from tests.models.detection.test_boxes import Box, _item, arrays

Items = list[tuple[Box, float, int]]


@given(st.lists(st.lists(_item, max_size=25), max_size=4), st.sampled_from([0.0, 0.3, 0.45, 1.0]))
def test_it_keeps_what_the_sequential_suppression_keeps(
    frames: list[Items], threshold: float
) -> None:
    chosen = [choose(*arrays(items), score_threshold=0.0) for items in frames]
    found = DeviceNms("cpu")(chosen, threshold, 10)
    expected = nms_of_frames(chosen, threshold, 10)
    assert [rows.tolist() for rows in found] == [rows.tolist() for rows in expected]


def test_a_chain_of_overlaps_is_settled_from_the_best_box_on() -> None:
    # Each box overlaps only its neighbors: every second one is kept, as one box after the other.
    corners = np.arange(40, dtype=np.float32)[:, None] * 4 + np.array([0, 0, 10, 10], np.float32)
    corners[:, [1, 3]] = [0, 10]
    scores = np.linspace(0.9, 0.5, 40, dtype=np.float32)
    frame = Selected(corners, scores, np.zeros(40, np.int64))
    (kept,) = DeviceNms("cpu")([frame], 0.3, 100)
    assert kept.tolist() == list(range(0, 40, 2))


@pytest.mark.parametrize("max_pairs", [1, 20_000, 16_000_000])
def test_crowded_frames_in_parts_of_any_size(
    max_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_nms, "_MAX_PAIRS", max_pairs)
    frames = crowded_frames(9, 120)
    found = DeviceNms("cpu")(frames, 0.45, 30)
    expected = nms_of_frames(frames, 0.45, 30)
    assert [rows.tolist() for rows in found] == [rows.tolist() for rows in expected]
    assert [len(rows) for rows in found][3::4] == [0, 0]
    assert max(len(rows) for rows in found) == 30
    assert DeviceNms("cpu")([], 0.45, 30) == []


def test_a_detector_on_the_cpu_needs_no_torch_for_it() -> None:
    detector = TrafficDetector()
    detector.load("cpu")
    assert detector._ready is not None
    assert detector._ready.suppress is nms_of_frames
    detector.close()
