from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.vision.image_input import ImageInput


def _written(image_input: ImageInput, pixels: np.ndarray) -> np.ndarray:
    row = np.empty(image_input.shape, np.float32)
    image_input.write(pixels, row)
    return row


def test_channels_are_normalized_in_the_networks_order() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:] = (255, 51, 0)
    fields = {"height": 4, "width": 4, "mean": (0.5, 0.1, 0.0), "std": (0.5, 0.1, 1.0)}
    row = _written(ImageInput(**fields), pixels)  # type: ignore[arg-type]
    assert row[:, 0, 0] == pytest.approx([1, 1, 0])
    row = _written(ImageInput(**fields, is_bgr=True, is_channels_last=True), pixels)  # type: ignore[arg-type]
    assert row[0, 0] == pytest.approx([0, 1, 1])


def test_one_channel_is_gray_as_pillow_makes_it() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    gray = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    found = _written(ImageInput(8, 8, mean=(0.0,), std=(1.0,), scale=1.0), pixels)[0]
    assert np.abs(found - gray).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (7, 900)])
def test_any_shape_can_be_cropped(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 255, np.uint8)
    image_input = ImageInput(32, 32, "crop", 36)
    assert _written(image_input, pixels) == pytest.approx(np.ones((3, 32, 32)))


@pytest.mark.parametrize(
    "fields",
    [{"resize": "pad"}, {"resampling": "best"}, {"mean": (0.0,)}, {"std": (1.0, 0.0, 1.0)}],
)
def test_wrong_fields_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        ImageInput(8, 8, **fields)  # type: ignore[arg-type]
