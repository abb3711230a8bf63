"""Resizing to a network's input, and mapping boxes back."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection.fitting import PADDING_GRAY, letterbox, letterboxed_size, stretch


@pytest.mark.parametrize(("rows", "columns"), [(480, 640), (640, 480), (10, 900), (1, 1), (64, 64)])
def test_boxes_are_mapped_back_to_the_original(rows: int, columns: int) -> None:
    image = np.zeros((rows, columns, 3), np.uint8)
    boxes = np.array([[0, 0, columns, rows], [0, 0, columns / 2, rows / 4]], np.float32)
    for bring in (letterbox, stretch):
        fitted, fit = bring(image, 64, 96)
        assert fitted.shape == (64, 96, 3)
        scale = np.array([fit.scale_x, fit.scale_y] * 2)
        there = boxes * scale + np.array([fit.offset_x, fit.offset_y] * 2)
        np.testing.assert_allclose(
            fit.to_original(there.astype(np.float32)), boxes, rtol=1e-4, atol=1e-3
        )


def test_letterbox_keeps_the_aspect_and_pads_with_gray() -> None:
    fitted, fit = letterbox(np.full((100, 400, 3), 200, np.uint8), 60, 80)
    assert (fit.scale_x, fit.scale_y, fit.offset_x, fit.offset_y) == (0.2, 0.2, 0, 20)
    assert (fitted[20:40] == 200).all()
    assert (fitted[:20] == PADDING_GRAY).all()
    assert (fitted[40:] == PADDING_GRAY).all()


def test_letterbox_centers_a_tall_picture() -> None:
    fitted, fit = letterbox(np.full((120, 40, 3), 200, np.uint8), 60, 80)
    assert (fit.scale_x, fit.scale_y, fit.offset_x, fit.offset_y) == (0.5, 0.5, 30, 0)
    assert (fitted[:, 30:50] == 200).all()
    assert (fitted[:, :30] == PADDING_GRAY).all()
    assert (fitted[:, 50:] == PADDING_GRAY).all()


def test_boxes_beyond_the_frame_are_clipped() -> None:
    _, fit = letterbox(np.zeros((100, 200, 3), np.uint8), 100, 100)
    boxes = fit.to_original(np.array([[-50, 0, 150, 100]], np.float32))
    np.testing.assert_allclose(boxes, [[0, 0, 200, 100]])


@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
def test_boxes_are_mapped_back_to_a_larger_original(divisor: int) -> None:
    small = np.zeros((60, 80, 3), np.uint8)
    for bring in (letterbox, stretch):
        _, fit = bring(small, 64, 96)
        box_there = fit.scale_x * 10 + fit.offset_x, fit.scale_y * 30 + fit.offset_y
        fit = fit.of_larger(80 * divisor - 1, 60 * divisor, divisor)
        box = np.array([[*box_there, 1000, 1000]], np.float32)
        expected = [[10 * divisor, 30 * divisor, 80 * divisor - 1, 60 * divisor]]
        np.testing.assert_allclose(fit.to_original(box), expected, rtol=1e-4)


def test_a_letterboxed_picture_touches_one_pair_of_edges() -> None:
    assert letterboxed_size(480, 640, 192, 320) == (192, 256)
    assert letterboxed_size(100, 400, 60, 80) == (20, 80)
    assert letterboxed_size(1, 9000, 64, 64) == (1, 64)
