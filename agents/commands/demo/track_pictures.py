"""Keep tracks and frames, and draw each object with its id and the way that it came."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agents.commands.demo.drawing import (
    LINE_PIXELS,
    color_of,
    draw_box,
    draw_caption,
    opened,
    save_small,
    side_by_side,
)
from schemas import Detections, VideoFrame

if TYPE_CHECKING:
    from PIL import Image

#: The model whose results are tracks.
TRACKER = "byte_tracker"
#: Latest places of a track that are drawn, and that are remembered of a camera.
_MAX_PLACES, _MAX_TRACKS = 40, 200
_DOT_PIXELS = 4

Way = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class TrackShot:
    """A frame, its tracked objects, and the way of each so far."""

    frame: VideoFrame
    result: Detections
    ways: dict[int, Way]
    """Track id -> middles of its boxes' lower edges, the oldest first."""

    @property
    def merit(self) -> int:
        """How much way there is to see."""
        return sum(len(way) for way in self.ways.values())


class TrackLog:
    """Keeps the ways of each camera's tracks, and its frame with the longest ones."""

    def __init__(self) -> None:
        self._ways: dict[str, dict[int, deque[tuple[float, float]]]] = {}
        self._best: dict[str, TrackShot] = {}

    def add(self, frame: VideoFrame | None, result: Detections) -> None:
        """Continue the ways of a camera; keep the frame, if it is at hand and the best so far."""
        ways = self._ways.setdefault(result.source_id, {})
        seen = [d for d in result.detections if d.track_id is not None]
        for found in seen:
            assert found.track_id is not None
            place = ((found.box[0] + found.box[2]) / 2, found.box[3])
            ways.setdefault(found.track_id, deque(maxlen=_MAX_PLACES)).append(place)
        while len(ways) > _MAX_TRACKS:
            del ways[next(iter(ways))]
        now = {d.track_id: tuple(ways[d.track_id]) for d in seen if d.track_id in ways}
        if frame is None or not now:
            return
        shot = TrackShot(frame, result, {key: way for key, way in now.items() if key is not None})
        best = self._best.get(result.source_id)
        if best is None or shot.merit >= best.merit:
            self._best[result.source_id] = shot

    def shots(self) -> list[TrackShot]:
        """Return the best frame of each of two cameras."""
        return [self._best[camera] for camera in sorted(self._best)[:2]]


def draw_tracks(shots: Sequence[TrackShot], path: Path) -> None:
    """Write one small PNG: the frames side by side."""
    save_small(side_by_side([tracked(shot) for shot in shots]), path)


def tracked(shot: TrackShot) -> Image.Image:
    """Return the frame with its tracks and a caption."""
    from PIL import ImageDraw

    image, factor = opened(shot.frame, smooth=True)
    pen = ImageDraw.Draw(image)
    for track_id, way in shot.ways.items():
        points = [(x * factor, y * factor) for x, y in way]
        pen.line(points, fill=color_of(track_id), width=LINE_PIXELS, joint="curve")
        for x, y in points:
            corners = (x - _DOT_PIXELS, y - _DOT_PIXELS, x + _DOT_PIXELS, y + _DOT_PIXELS)
            pen.ellipse(corners, fill=color_of(track_id))
    for found in shot.result.detections:
        if found.track_id is not None:
            box = [side * factor for side in found.box]
            draw_box(pen, box, f"{found.label} #{found.track_id}", color_of(found.track_id))
    draw_caption(pen, shot.frame, shot.result)
    return image
