"""Outputs are found by parts of their names."""

from __future__ import annotations

import pytest

from models.detection.layouts.facts import find_names, num_cells


@pytest.mark.parametrize(
    ("names", "parts", "positions"),
    [
        (["scores", "boxes"], ["box", "score"], (1, 0)),
        (["graph2_pred_BBoxes"], ["bbox"], (0,)),
        (
            ["raw_detection_boxes:0", "detection_boxes:0", "num_detections:0"],
            ["detection_boxes", "num_detections"],
            (1, 2),
        ),
        (["boxes_a", "boxes_b"], ["box"], None),
        (["boxes"], ["box", "score"], None),
        (["box_scores"], ["box", "score"], None),
    ],
)
def test_names(names: list[str], parts: list[str], positions: tuple[int, ...] | None) -> None:
    assert find_names(names, *parts) == positions


def test_cells_at_the_edges_count() -> None:
    assert num_cells(640, 640, (8, 16, 32)) == 8400
    assert num_cells(65, 64, (32,)) == 6
