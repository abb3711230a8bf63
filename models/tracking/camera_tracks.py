"""ByteTrack: the tracks of one camera, and how one frame's boxes continue them.

Boxes with low scores are not dropped: after the boxes with high scores have been matched, they
continue the tracks that are left, which keeps objects that are partly covered.

Source: Zhang et al., 2022, "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
ECCV, arXiv:2110.06864. Different from it:

- Boxes of all classes are matched together, and a pair of two classes counts as less similar.
- Pairs that overlap well are matched first. Else two objects that pass each other swap: the sum
  over both wrong pairs may be greater than over the right one and none.
- What is left in the end is matched with enlarged boxes, as in C-BIoU (Yang et al., 2023,
  arXiv:2211.14317): at a few frames a second, a small object's boxes don't overlap.
- A lost track is also continued by a box with a low score.
- Time is that of the events (`kalman.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.tracking import kalman
from models.tracking.association import Floats, Ints, grown, iou, match

#: States of a track: seen once; followed; not seen in the last frame.
NEW, TRACKED, LOST = range(3)
#: Least overlap of a track with a box of high score that is surely its own, and with one of low
#: score; least overlap times score of any other pair.
_LEAST_SURE, _LEAST_LOW, _LEAST = 0.5, 0.5, 0.2
#: In the last pairing, boxes are enlarged on each side by so many times their width or height.
_ENLARGED = 1.5
#: Seconds between two frames whose times don't say it, and the most that they are believed.
_USUAL_SECONDS, _MOST_SECONDS = 0.1, 10.0
#: A track starts only at a score so far above `high_score`.
_START_ABOVE = 0.1
#: Of a lost and a followed track that overlap more, the one that is younger ends.
_SAME = 0.85
#: Factor of the similarity of boxes of two classes.
_OTHER_CLASS = 0.8
#: No track: a box that belongs to none.
NO_TRACK = -1


@dataclass(frozen=True)
class TrackingRules:
    """The options of the tracker."""

    high_score: float
    low_score: float
    max_lost_frames: int
    max_tracks: int


class Boxes(NamedTuple):
    """n boxes of one frame."""

    corners: Floats
    """(n, 4) xyxy, pixels."""
    scores: Floats
    class_ids: Ints

    def rows(self, chosen: Ints) -> Boxes:
        """Return some of the boxes."""
        return Boxes(self.corners[chosen], self.scores[chosen], self.class_ids[chosen])


@dataclass(frozen=True)
class CameraTracks:
    """The tracks of one camera after a frame; never changed."""

    motion: kalman.Motion
    ids: Ints
    states: Ints
    class_ids: Ints
    first_frames: Ints
    last_frames: Ints
    """The frame in which each track was last seen."""
    frame: int = 0
    """Number of frames so far."""
    next_id: int = 1
    time_ms: int = 0
    """Event time of the last frame."""
    num_dropped: int = 0
    """Tracks that ended early because there were too many."""

    def rows(self, chosen: NDArray[np.int64]) -> CameraTracks:
        """Return the same with only some of the tracks."""
        ids, states, class_ids, first, last = (array[chosen] for array in self.columns())
        return replace(
            self,
            motion=self.motion.rows(chosen),
            ids=ids,
            states=states,
            class_ids=class_ids,
            first_frames=first,
            last_frames=last,
        )

    def columns(self) -> tuple[Ints, ...]:
        """Return what there is one number of for each track."""
        return self.ids, self.states, self.class_ids, self.first_frames, self.last_frames


def no_tracks() -> CameraTracks:
    """Return the state of a camera before its first frame."""
    empty = np.zeros(0, np.int64)
    return CameraTracks(kalman.begin(np.zeros((0, 4))), empty, empty, empty, empty, empty)


def advance(
    tracks: CameraTracks, boxes: Boxes, rules: TrackingRules, time_ms: int
) -> tuple[CameraTracks, Ints]:
    """Continue a camera's tracks with the boxes of its next frame.

    Args:
        tracks: after the frame before.
        boxes: of the frame.
        rules: the tracker's options.
        time_ms: event time of the frame.

    Returns:
        The tracks after the frame, and for each box the id of its track, or `NO_TRACK`.
    """
    frame = tracks.frame + 1
    at_rest = kalman.without_growth(tracks.motion, tracks.states == LOST)
    motion = kalman.predict(at_rest, _seconds(tracks.time_ms, time_ms))
    owner = _owners(replace(tracks, motion=motion), boxes, rules)
    high = np.flatnonzero(boxes.scores >= rules.high_score)
    seen_boxes = np.flatnonzero(owner >= 0)
    seen = owner[seen_boxes]
    continued = _continue(tracks, motion, seen, boxes.rows(seen_boxes), frame, time_ms)
    kept = continued.rows(_kept(continued, rules))
    starting = high[(owner[high] < 0) & (boxes.scores[high] >= rules.high_score + _START_ABOVE)]
    after, new_ids = _start(kept, boxes.rows(starting), rules)
    ids = np.full(len(owner), NO_TRACK, np.int64)
    ids[seen_boxes] = tracks.ids[seen]
    if frame == 1:  # nothing can confirm the tracks of the first frame
        ids[starting] = new_ids
    # An id is shown only while its track goes on.
    return after, np.where(np.isin(ids, after.ids), ids, NO_TRACK)


def _seconds(before_ms: int, time_ms: int) -> float:
    """Return the time since the frame before; the usual one if the events don't say it."""
    passed = (time_ms - before_ms) / 1000
    return min(passed, _MOST_SECONDS) if before_ms and passed > 0 else _USUAL_SECONDS


def _owners(tracks: CameraTracks, boxes: Boxes, rules: TrackingRules) -> Ints:
    """Return the row of each box's track, -1 for none; the tracks are where they should be now."""
    predicted = kalman.to_boxes(tracks.motion)
    owner = np.full(len(boxes.scores), -1, np.int64)

    def join(
        states: tuple[int, ...], among: NDArray[np.bool_], least: float,
        by_score: bool, enlarged: float = 0.0,
    ) -> None:  # fmt: skip
        taken = np.isin(np.arange(len(tracks.ids)), owner)
        rows = np.flatnonzero(np.isin(tracks.states, states) & ~taken)
        free = np.flatnonzero(among & (owner < 0))
        if not len(rows) or not len(free):
            return
        similarity = iou(grown(predicted[rows], enlarged), grown(boxes.corners[free], enlarged))
        if by_score:
            similarity = similarity * boxes.scores[free]
        other = tracks.class_ids[rows][:, None] != boxes.class_ids[free]
        pairs = match(np.where(other, similarity * _OTHER_CLASS, similarity), least)
        owner[free[pairs.boxes]] = rows[pairs.tracks]

    high = boxes.scores >= rules.high_score
    low = ~high & (boxes.scores >= rules.low_score)
    join((TRACKED, LOST), high, _LEAST_SURE, by_score=False)
    join((TRACKED, LOST), high, _LEAST, by_score=True)
    join((TRACKED, LOST), low, _LEAST_LOW, by_score=False)
    join((NEW, TRACKED, LOST), high, _LEAST, by_score=True, enlarged=_ENLARGED)
    return owner


def _continue(
    tracks: CameraTracks, motion: kalman.Motion, seen: Ints, boxes: Boxes, frame: int, time_ms: int
) -> CameraTracks:
    """Return the tracks with the boxes that continue them."""
    updated = kalman.update(motion.rows(seen), boxes.corners)
    arrays = [array.copy() for array in motion.arrays()]
    for array, new in zip(arrays, updated.arrays(), strict=True):
        array[seen] = new
    states, classes, last = tracks.states.copy(), tracks.class_ids.copy(), tracks.last_frames.copy()
    is_seen = np.isin(np.arange(len(states)), seen)
    states[is_seen] = TRACKED
    states[~is_seen & (states == TRACKED)] = LOST
    classes[seen], last[seen] = boxes.class_ids, frame
    return CameraTracks(
        kalman.Motion(*arrays), tracks.ids, states, classes, tracks.first_frames, last, frame,
        tracks.next_id, time_ms, tracks.num_dropped,
    )  # fmt: skip


def _kept(tracks: CameraTracks, rules: TrackingRules) -> Ints:
    """Return the rows of tracks that go on."""
    is_kept = (tracks.states != NEW) & (
        (tracks.states == TRACKED) | (tracks.frame - tracks.last_frames <= rules.max_lost_frames)
    )
    followed = np.flatnonzero(tracks.states == TRACKED)
    lost = np.flatnonzero((tracks.states == LOST) & is_kept)
    corners = kalman.to_boxes(tracks.motion)
    ages = tracks.last_frames - tracks.first_frames
    for row, column in np.argwhere(iou(corners[followed], corners[lost]) > _SAME).tolist():
        one, other = followed[row], lost[column]
        is_kept[other if ages[one] > ages[other] else one] = False
    return np.flatnonzero(is_kept)


def _start(tracks: CameraTracks, boxes: Boxes, rules: TrackingRules) -> tuple[CameraTracks, Ints]:
    """Return the tracks with new ones for boxes, and the new ids."""
    count = len(boxes.scores)
    ids = tracks.next_id + np.arange(count, dtype=np.int64)
    state = TRACKED if tracks.frame == 1 else NEW
    frame = np.full(count, tracks.frame, np.int64)
    columns = (ids, np.full(count, state, np.int64), boxes.class_ids, frame, frame)
    motion = kalman.join(tracks.motion, kalman.begin(boxes.corners))
    all_ids, states, class_ids, first, last = (
        np.concatenate(pair) for pair in zip(tracks.columns(), columns, strict=True)
    )
    num_dropped = tracks.num_dropped + max(0, len(all_ids) - rules.max_tracks)
    joined = CameraTracks(
        motion, all_ids, states, class_ids, first, last, tracks.frame, tracks.next_id + count,
        tracks.time_ms, num_dropped,
    )  # fmt: skip
    # Of too many, those that were seen last go on, and of these the oldest.
    order = np.lexsort((joined.ids, -joined.last_frames))[: rules.max_tracks]
    return joined.rows(np.sort(order)), ids
