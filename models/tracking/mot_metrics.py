"""Figures of tracking: MOTA, id switches and fragments (CLEAR MOT).

Source: Bernardin and Stiefelhagen, 2008, "Evaluating Multiple Object Tracking Performance: The
CLEAR MOT Metrics", EURASIP Journal on Image and Video Processing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from models.tracking.association import Floats, Ints, iou, match

#: An object counts as found by a box that overlaps as much.
_FOUND_FROM_IOU = 0.5


@dataclass(frozen=True)
class Placed:
    """The objects of one frame, true or found."""

    boxes: Floats
    """(n, 4) xyxy."""
    ids: Ints
    """(n,)"""


@dataclass
class MotFigures:
    """Counts over all frames; add those of several clips."""

    num_true: int = 0
    num_missed: int = 0
    num_false: int = 0
    num_switches: int = 0
    """How often an object's track has another id than when the object was last found."""
    num_taken: int = 0
    """Of these, how often the new id was another object's before."""
    num_resumed: int = 0
    """Of the others, how often the object had not been found in the frame before."""
    num_objects: int = 0

    @property
    def mota(self) -> float:
        """1 minus misses, false boxes and switches as a share of the true boxes; may be < 0."""
        errors = self.num_missed + self.num_false + self.num_switches
        return 1 - errors / max(self.num_true, 1)

    @property
    def switched_share(self) -> float:
        """Id switches for each object that was found at least once."""
        return self.num_switches / max(self.num_objects, 1)

    def add(self, other: MotFigures) -> None:
        """Add the counts of another clip."""
        self.num_true += other.num_true
        self.num_missed += other.num_missed
        self.num_false += other.num_false
        self.num_switches += other.num_switches
        self.num_taken += other.num_taken
        self.num_resumed += other.num_resumed
        self.num_objects += other.num_objects


def measure_tracks(frames: Iterable[tuple[Placed, Placed]]) -> MotFigures:
    """Measure one clip.

    Args:
        frames: for each frame, the true objects and the found ones.

    An object that is still overlapped by its former track keeps it; the others are matched with
    the greatest total overlap.
    """
    figures = MotFigures()
    track_of: dict[int, int] = {}
    last_frame: dict[int, int] = {}
    owner: dict[int, int] = {}
    for number, (true, found) in enumerate(frames):
        overlap = iou(true.boxes, found.boxes)
        former = np.array([track_of.get(int(i), -1) for i in true.ids], np.int64)
        kept = (former[:, None] == found.ids[None, :]) & (overlap >= _FOUND_FROM_IOU)
        # A kept pair outweighs any other: overlaps are at most 1.
        pairs = match(np.where(kept, 1.0, overlap / 2), _FOUND_FROM_IOU / 2)
        for row, column in zip(pairs.tracks.tolist(), pairs.boxes.tolist(), strict=True):
            truth, track = int(true.ids[row]), int(found.ids[column])
            if track_of.get(truth, track) != track:
                is_taken = owner.get(track, truth) != truth
                figures.num_switches += 1
                figures.num_taken += is_taken
                figures.num_resumed += not is_taken and last_frame[truth] < number - 1
            track_of[truth], owner[track], last_frame[truth] = track, truth, number
        figures.num_true += len(true.ids)
        figures.num_missed += len(true.ids) - len(pairs.tracks)
        figures.num_false += len(found.ids) - len(pairs.boxes)
    figures.num_objects = len(track_of)
    return figures
