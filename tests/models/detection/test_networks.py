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
        write_planes(image, [0.5] * 3, [0.0] * 3, is_bgr, planes)
    for image, planes in zip(images, batch, strict=True):
        for channel in range(3):
            source = image[..., 2 - channel if is_bgr else channel]
            np.testing.assert_array_equal(planes[channel], source / 2)


def test_scale_and_shift_are_of_the_channels_in_the_networks_order() -> None:
    image = np.full((2, 2, 3), (10, 20, 30), np.uint8)
    planes = np.empty((3, 2, 2), np.float32)
    write_planes(image, [1, 2, 3], [0, 0.5, -1], True, planes)
    assert planes[:, 0, 0].tolist() == [30, 40.5, 29]
