from __future__ import annotations

import numpy as np
import pytest

from models.segmentation.evaluate import mean_iou


def test_mean_iou_is_over_all_pixels_of_all_frames() -> None:
    truth, found = np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]])
    mean, ious = mean_iou([(found, truth), (truth, truth)], 3)
    assert ious[:2] == [pytest.approx(3 / 4), pytest.approx(4 / 5)]
    assert np.isnan(ious[2])  # in neither truth nor answers
    assert mean == pytest.approx((3 / 4 + 4 / 5) / 2)
