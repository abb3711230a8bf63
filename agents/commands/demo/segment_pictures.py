"""Keep segmented frames, and draw their masks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agents.commands.demo.drawing import (
    color_of,
    draw_caption,
    draw_label,
    opened,
    save_small,
    side_by_side,
)
from schemas import Segmentation, VideoFrame

if TYPE_CHECKING:
    from PIL import Image

#: How much of a pixel is its class's color.
_OPACITY = 0.6
#: Smaller regions don't count and get no label: it would hide them, and they are often mistakes.
_LEAST_PIXELS = 400
#: Between two chosen frames of a camera, so that they differ.
_FRAMES_APART = 40


class SegmentGallery:
    """Keeps the two frames with the most classes, some time apart."""

    def __init__(self) -> None:
        self._best: list[tuple[VideoFrame, Segmentation]] = []

    def add(self, frame: VideoFrame, result: Segmentation) -> None:
        """Keep a frame that shows more than those kept."""
        ranked = sorted([*self._best, (frame, result)], key=_merit, reverse=True)
        kept = ranked[:1]
        kept += [shot for shot in ranked if _is_apart(shot[0], kept[0][0])][:1]
        self._best = kept

    def chosen(self) -> list[tuple[VideoFrame, Segmentation]]:
        """Return the frames in the order of time."""
        return sorted(self._best, key=lambda shot: shot[0].frame_index)


def _merit(shot: tuple[VideoFrame, Segmentation]) -> tuple[int, int]:
    regions = [region for region in shot[1].regions if region.area >= _LEAST_PIXELS]
    return len({region.class_id for region in regions}), sum(region.area for region in regions)


def _is_apart(one: VideoFrame, other: VideoFrame) -> bool:
    is_same_camera = one.source_id == other.source_id
    return not is_same_camera or abs(one.frame_index - other.frame_index) >= _FRAMES_APART


def draw_segments(chosen: list[tuple[VideoFrame, Segmentation]], path: Path) -> None:
    """Write one small PNG: the frames side by side, each class in its color."""
    save_small(side_by_side([masked(*shot) for shot in chosen]), path)


def masked(frame: VideoFrame, result: Segmentation) -> Image.Image:
    """Return the frame with its masks, labels and a caption."""
    from PIL import Image, ImageDraw

    from models.segmentation.run_length import decode

    image, factor = opened(frame, smooth=True)
    for region in result.regions:
        mask = decode(region.mask.counts, *region.mask.size)
        cover = Image.fromarray(mask).resize(image.size).convert("L")
        cover = cover.point(lambda value: round(value * _OPACITY))
        image.paste(Image.new("RGB", image.size, color_of(region.class_id)), (0, 0), cover)
    pen = ImageDraw.Draw(image)
    for region in result.regions:
        if region.area >= _LEAST_PIXELS:
            at = region.box[0] * factor, region.box[1] * factor - 22
            draw_label(pen, at, region.label, color_of(region.class_id))
    draw_caption(pen, frame, result)
    return image
