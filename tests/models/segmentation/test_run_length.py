from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco

from models.segmentation.run_length import decode, encode_regions


def _maps() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 4, rng.integers(1, 70, 2)) for _ in range(40)]
    blocks = [np.kron(rng.integers(0, 3, (5, 6)), np.ones((9, 7), int)) for _ in range(40)]
    large = np.zeros((1500, 2000), int)
    large[700, 900] = 1
    return [*noise, *blocks, large, np.zeros((1, 1), int)]


@pytest.mark.parametrize("regions", _maps(), ids=lambda m: str(m.shape))
def test_masks_areas_and_boxes_are_those_of_pycocotools(regions: np.ndarray) -> None:
    encoded = encode_regions(regions.astype(np.int32))
    assert [region.value for region in encoded] == sorted(set(regions.ravel().tolist()))
    for region in encoded:
        mask = regions == region.value
        expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert region.counts == expected["counts"].decode()
        assert region.area == mask.sum() == coco.area(expected)
        x, y, width, height = coco.toBbox(expected)
        assert region.box == (x, y, x + width, y + height)
        assert (decode(region.counts, *mask.shape) == mask).all()
