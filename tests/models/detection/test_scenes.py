"""Rendered scenes: repeatable by seed, and in agreement with their ground truth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models.detection.scenes import LABELS, MIN_INSIDE_SHARE, render_clip, render_scene
from models.detection.sprites import KINDS, Kind, Pen


def test_the_same_seed_renders_the_same() -> None:
    a, b = (render_scene(np.random.default_rng(5), 320, 192) for _ in range(2))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.boxes, b.boxes)
    other = render_scene(np.random.default_rng(6), 320, 192)
    assert (a.image != other.image).any()


def test_truth_is_well_formed_and_every_class_appears() -> None:
    seen = set()
    for seed in range(40):
        scene = render_scene(np.random.default_rng(seed), 320, 192)
        assert scene.image.shape == (192, 320, 3)
        assert scene.image.dtype == np.uint8
        assert scene.boxes.shape == (len(scene.class_ids), 4)
        assert scene.boxes.dtype == np.float32
        assert (scene.boxes >= 0).all()
        assert (scene.boxes <= [320, 192, 320, 192]).all()
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= 4).all()
        seen.update(scene.class_ids.tolist())
    assert seen == set(range(len(LABELS)))


@pytest.mark.parametrize("kind", KINDS, ids=LABELS)
def test_a_sprite_fills_its_box_and_no_more(kind: Kind) -> None:
    width = 90.0 * sum(kind.length_m) / sum(kind.height_m)
    box = (60.0, 20.0, 60.0 + width, 110.0)
    # A leg at full stride reaches farthest, so the widest of several phases counts.
    touched = np.zeros((130, 500), bool)
    for phase in np.linspace(0, 2 * np.pi, 9):
        image = Image.new("RGB", (500, 130), (1, 2, 3))
        style = np.random.default_rng(1)
        kind.draw(Pen(ImageDraw.Draw(image), box, False), style, float(phase))
        touched |= (np.asarray(image) != (1, 2, 3)).any(axis=-1)
    rows, columns = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    drawn = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    assert (np.abs(drawn - box) <= 0.13 * sides + 1).all()


def test_a_clip_moves_smoothly_and_is_the_same_when_rendered_again() -> None:
    clip = list(render_clip(3, 12, 320, 192))
    again = list(render_clip(3, 12, 320, 192))
    np.testing.assert_array_equal(clip[-1].image, again[-1].image)
    steps = [
        np.abs(a.boxes - b.boxes).max()
        for a, b in itertools.pairwise(clip)
        if np.array_equal(a.class_ids, b.class_ids) and len(a.boxes)
    ]
    assert len(steps) >= 6
    assert 0 < max(steps) <= 40  # 14 m/s at 33 pixels a meter, ten frames a second, is 46


def test_objects_mostly_out_of_view_are_not_in_the_truth() -> None:
    # In a clip this long objects leave; none stays in the truth with a sliver of its box.
    widths: dict[int, float] = {}
    for scene in render_clip(8, 40, 320, 192):
        for box, class_id in zip(scene.boxes, scene.class_ids.tolist(), strict=True):
            if KINDS[class_id].is_vehicle and (box[0] == 0 or box[2] == 320):
                ratio = float((box[2] - box[0]) / (box[3] - box[1]))
                widths[class_id] = min(widths.get(class_id, np.inf), ratio)
    assert widths
    for class_id, ratio in widths.items():
        kind = KINDS[class_id]
        shortest = kind.length_m[0] / kind.height_m[1]
        assert ratio >= 0.95 * MIN_INSIDE_SHARE * shortest
