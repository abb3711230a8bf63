"""The pictures that the shipped classifiers are trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.classification.training_sets import (
    TRAFFIC_SIDE,
    PictureSet,
    render_traffic,
    write_class_folders,
)
from models.detection.scenes import LABELS
from models.training.pictures import read_class_folders, read_picture


def test_rendered_objects_are_seeded_and_of_every_class() -> None:
    first, again, other = (render_traffic(seed, 60) for seed in (3, 3, 4))
    assert first.pixels.shape == (60, TRAFFIC_SIDE, TRAFFIC_SIDE, 3)
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    assert set(first.class_ids.tolist()) == set(range(len(LABELS)))


def test_class_folders_keep_every_gray_level(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8)
    pictures = PictureSet(pixels, np.array([0, 1, 1, 0, 1, 0]), ["zero", "one"])
    write_class_folders(pictures, tmp_path)
    paths, names = read_class_folders(tmp_path)
    assert names == ["one"] * 3 + ["zero"] * 3
    for path, number in zip(paths, (1, 2, 4, 0, 3, 5), strict=True):
        np.testing.assert_array_equal(read_picture(path)[:, :, :1], pixels[number])
