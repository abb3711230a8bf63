"""Gray levels of more than 8 bits."""

from __future__ import annotations

import numpy as np
import pytest

from models.images.gray import read_gray_range, to_eight_bits


def test_a_range_maps_its_ends_to_black_and_white() -> None:
    levels = np.array([[100, 200, 300, 400, 0, 999]], np.uint16)
    assert to_eight_bits(levels, (100, 400)).tolist() == [[0, 85, 170, 255, 0, 255]]


def test_stretching_leaves_out_dead_pixels() -> None:
    levels = np.linspace(20_000, 24_080, 10_000).round().astype(np.uint16).reshape(100, 100)
    levels[0, 0], levels[0, 1] = 0, 65_535
    stretched = to_eight_bits(levels, "stretch")
    assert np.unique(stretched).size == 256
    assert to_eight_bits(np.full((4, 4), 7, np.uint16), "stretch").max() == 0


def test_floats_that_are_no_numbers_are_black() -> None:
    levels = np.array([[np.nan, 1.0, np.inf, 2.0]], np.float32)
    assert to_eight_bits(levels, (1, 2)).tolist()[0][1::2] == [0, 255]
    assert to_eight_bits(levels, "stretch").dtype == np.uint8
    assert to_eight_bits(np.full((2, 2), np.nan), "stretch").max() == 0


@pytest.mark.parametrize("option", ["12", [1], [5, 5], [9, 3], [0, float("nan")], []])
def test_other_options_are_refused(option: object) -> None:
    with pytest.raises(ValueError, match="gray_range"):
        read_gray_range(option)  # type: ignore[arg-type]
