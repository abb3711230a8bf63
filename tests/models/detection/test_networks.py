"""Writing pictures into a network's batch."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection.networks import write_planes


@pytest.mark.parametrize("is_bgr", [False, True])
def test_pictures_are_written_as_planes_in_rgb_or_bgr(is_bgr: bool) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (4, 6, 3)).astype(np.uint8) for _ in range(3)]
    batch = np.empty((3, 3, 4, 6), np.float32)
    for image, planes in zip(images, batch, strict=True):
        write_planes(image, 0.5, is_bgr, planes)
    for image, planes in zip(images, batch, strict=True):
        for channel in range(3):
            source = image[..., 2 - channel if is_bgr else channel]
            np.testing.assert_array_equal(planes[channel], source / 2)
