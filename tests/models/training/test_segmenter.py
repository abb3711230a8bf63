"""What the segmenter is trained on, and that a run that was ended is the whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.training import segmenter
from models.training.run_folder import RunFolder
from models.training.segmenter import Settings
from models.training.settings import no_progress
from models.training.tasks import read_settings, train_task


def rendered(folder: Path, **values: Any) -> segmenter._Rendered:
    return segmenter._Rendered(Settings(**values), RunFolder(folder))


def test_a_step_renders_new_scenes_from_its_random_numbers_alone(tmp_path: Path) -> None:
    data = rendered(tmp_path, num_scenes=8)
    assert data.num_examples == 16
    rows = np.arange(5)
    first, again, other = (data.crops(rows, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert len(first) == 5
    for (image, classes), (same, same_classes) in zip(first, again, strict=True):
        assert image.shape == (256, 416, 3)
        assert classes.shape == (256, 416)
        assert classes.max() <= 5
        np.testing.assert_array_equal(image, same)
        np.testing.assert_array_equal(classes, same_classes)
    assert not np.array_equal(first[0][0], other[0][0])


def test_most_crops_are_around_an_object() -> None:
    classes = np.zeros((384, 640), np.uint8)
    classes[100:110, 600:605] = 4
    image, chance = np.zeros((384, 640, 3), np.uint8), np.random.default_rng(0)
    crops = [segmenter._crop(image, classes, chance, True)[1] for _ in range(200)]
    with_object = np.mean([4 in crop for crop in crops])
    assert with_object > segmenter._CENTERED_SHARE


def test_a_crop_without_any_class_is_anywhere() -> None:
    classes = np.full((64, 128), 255, np.uint8)
    image, chance = np.zeros((64, 128, 3), np.uint8), np.random.default_rng(0)
    pixels, mask = segmenter._crop(image, classes, chance, False)
    assert pixels.shape[:2] == mask.shape == (32, 96)


class Killed(Exception):
    pass


@pytest.mark.slow
def test_an_ended_run_on_rendered_scenes_is_the_whole_run(tmp_path: Path) -> None:
    values = {"num_scenes": 12, "height": 64, "width": 128, "epochs": 2, "batch_size": 2}
    settings = read_settings("segmenter", values | {"checkpoint_seconds": 0}, tmp_path)

    def end(what: str, done: int, total: int) -> None:
        if done == 17:
            raise Killed

    train_task("segmenter", settings, tmp_path / "whole", "", no_progress)
    with pytest.raises(Killed):
        train_task("segmenter", settings, tmp_path / "ended", "", end)
    train_task("segmenter", settings, tmp_path / "ended", "", no_progress)
    whole, ended = (
        (tmp_path / name / "model" / "model.safetensors").read_bytes()
        for name in ("whole", "ended")
    )
    assert whole == ended
