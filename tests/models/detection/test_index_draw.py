from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from models.detection.index_draw import IndexDraw
from models.detection.scenes import LABELS, render_scene, render_scene_with_classes


def test_shapes_cover_the_same_pixels_as_in_color() -> None:
    color, index = Image.new("RGB", (60, 40)), Image.new("L", (60, 40))
    canvas = IndexDraw(index)
    canvas.index = 3
    for draw in (ImageDraw.Draw(color), canvas):
        draw.polygon([(3, 3), (20, 5), (9, 30)], fill=(255, 0, 0))
        draw.ellipse((20, 10, 40, 30), outline=(0, 255, 0), width=3)
        draw.rectangle((45, 5, 50, 9), fill=(0, 0, 255))
        draw.line([(2, 38), (55, 33)], fill=(9, 9, 9), width=2)
    assert (np.asarray(color).any(axis=2) == (np.asarray(index) == 3)).all()
    assert set(np.unique(np.asarray(index))) == {0, 3}


def test_a_scene_with_classes_is_the_same_scene() -> None:
    for seed in range(5):
        plain = render_scene(np.random.default_rng(seed))
        scene, classes = render_scene_with_classes(np.random.default_rng(seed))
        assert (scene.image == plain.image).all()
        assert classes.shape == scene.image.shape[:2]
        assert classes.max() <= len(LABELS)
        for (x1, y1, x2, y2), class_id in zip(
            scene.boxes.astype(int), scene.class_ids, strict=True
        ):
            # An object in the truth is visible within its box.
            assert (classes[y1 : y2 + 1, x1 : x2 + 1] == class_id + 1).any()
