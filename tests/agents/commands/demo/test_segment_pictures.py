from pathlib import Path

import numpy as np
from msgspec.structs import replace
from PIL import Image

from agents.commands.demo.segment_pictures import SegmentGallery, draw_segments, masked
from models.segmentation.segmenter import RegionMap, to_segmentation
from schemas import Segmentation
from tests.agents.commands.demo.worlds import frame


def _result(num_classes: int) -> Segmentation:
    regions = np.zeros((384, 640), np.int32)
    for number in range(1, num_classes):
        regions[50 * number : 50 * number + 40, 100:300] = number
    return to_segmentation(RegionMap(regions), [f"class {n}" for n in range(num_classes)], 0)


def test_the_frames_with_the_most_classes_are_kept_some_time_apart() -> None:
    gallery = SegmentGallery()
    for index, classes in ((0, 3), (5, 4), (100, 2), (200, 3)):
        gallery.add(replace(frame("f"), frame_index=index), _result(classes))
    assert [shot[0].frame_index for shot in gallery.chosen()] == [5, 200]


def test_masks_have_the_color_of_their_class(tmp_path: Path) -> None:
    image = masked(frame("f"), _result(3))
    plain, first, second = (image.getpixel(at) for at in ((600, 200), (200, 85), (200, 135)))
    assert len({plain, first, second}) == 3
    draw_segments([(frame("f"), _result(3))], tmp_path / "segments.png")
    with Image.open(tmp_path / "segments.png") as saved:
        assert saved.size == (640, 384)
