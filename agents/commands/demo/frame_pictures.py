"""Keep the best frame of each camera and stretch of the run, and draw the detections on it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.commands.demo.drawing import (
    color_of,
    draw_box,
    draw_caption,
    opened,
    save_small,
    side_by_side,
)
from schemas import Detection, Detections, VideoFrame

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

MAX_PICTURES = 12
#: The run is cut into this many stretches; each camera shows the best frame of each.
_NUM_STRETCHES = 4
#: Objects that count for a frame's merit; more of them don't make a better picture.
_NUM_COUNTED = 6

_JPEG_QUALITY = 90
_PATTERN = "frame-??.jpg"


@dataclass(frozen=True)
class Shot:
    """A frame and the objects that were detected in it."""

    frame: VideoFrame
    result: Detections

    @property
    def merit(self) -> float:
        """How much there is to see: the sum of the best scores."""
        scores = sorted((d.score for d in self.result.detections), reverse=True)
        return sum(scores[:_NUM_COUNTED])


class FrameGallery:
    """Keeps one shot per camera and stretch of the run."""

    def __init__(self, seconds: float) -> None:
        self._stretch_seconds = seconds / _NUM_STRETCHES
        self._started: float | None = None
        self._best: dict[tuple[str, int], Shot] = {}

    def add(self, frame: VideoFrame, result: Detections) -> None:
        """Keep a frame that shows more than the best one of its camera and stretch."""
        if not result.detections:
            return
        place, shot = (frame.source_id, self._stretch()), Shot(frame, result)
        if place not in self._best or self._best[place].merit < shot.merit:
            self._keep(place, shot)

    def _keep(self, place: tuple[str, int], shot: Shot) -> None:
        for other_place, kept in self._best.items():
            # A short set of photographs repeats: show each of them once.
            is_same_camera = other_place != place and other_place[0] == place[0]
            if is_same_camera and kept.frame.image == shot.frame.image:
                return
        self._best[place] = shot

    def _stretch(self) -> int:
        now = time.monotonic()
        if self._started is None:
            self._started = now
        return min(int((now - self._started) / self._stretch_seconds), _NUM_STRETCHES - 1)

    def shots(self) -> list[Shot]:
        """Return at most `MAX_PICTURES` shots by camera and time, an equal share per camera."""
        by_stretch = sorted(self._best.items(), key=lambda item: (item[0][1], item[0][0]))
        chosen = sorted(by_stretch[:MAX_PICTURES], key=lambda item: item[0])
        return [shot for _, shot in chosen]


def draw_shots(shots: Sequence[Shot], folder: Path) -> list[Path]:
    """Write `frame-01.jpg`, `frame-02.jpg` ... and delete those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(_PATTERN):
        old.unlink()
    paths = [folder / f"frame-{number:02d}.jpg" for number in range(1, len(shots) + 1)]
    for shot, path in zip(shots, paths, strict=True):
        annotated(shot).save(path, quality=_JPEG_QUALITY)
    return paths


def draw_overview(shots: Sequence[Shot], path: Path) -> None:
    """Write one small PNG: the best shots of up to two cameras, side by side."""
    by_merit = sorted(shots, key=lambda shot: shot.merit)
    best = {shot.frame.source_id: shot for shot in by_merit}
    images = [annotated(best[camera], smooth=True) for camera in sorted(best)[:2]]
    save_small(side_by_side(images), path)


def annotated(shot: Shot, smooth: bool = False) -> Image.Image:
    """Return the frame with its detections and a caption, enlarged if it is small.

    Args:
        shot: the frame and its detections.
        smooth: remove the frame's noise, which takes most bytes of a PNG.
    """
    from PIL import ImageDraw

    image, factor = opened(shot.frame, smooth)
    pen = ImageDraw.Draw(image)
    for detection in reversed(shot.result.detections):  # the best on top
        _draw_box(pen, detection, factor)
    draw_caption(pen, shot.frame, shot.result)
    return image


def _draw_box(pen: ImageDraw.ImageDraw, detection: Detection, factor: float) -> None:
    box = [side * factor for side in detection.box]
    draw_box(pen, box, f"{detection.label} {detection.score:.2f}", color_of(detection.class_id))
