"""The tracker: detections of frames in, the same with track ids out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec.structs import replace

from models.base import Answer, ModelError, OnlineModel
from models.snapshots import pack, unpack
from models.tracking.camera_store import CameraStore
from models.tracking.camera_tracks import (
    NO_TRACK,
    Boxes,
    CameraTracks,
    TrackingRules,
    advance,
    no_tracks,
)
from models.tracking.kalman import Motion
from schemas import DetectedFrame, Detections, InputError, SchemaError

_LAYOUT_VERSION = 2
_COLUMNS = ("ids", "states", "class_ids", "first_frames", "last_frames")
_MOTION = (
    "position", "velocity", "position_variance", "covariance", "velocity_variance",
)  # fmt: skip


class ByteTracker(OnlineModel[DetectedFrame, Detections]):
    """Follows objects over a camera's frames, by ByteTrack.

    It reads what a detector wrote, so that the detector stays stateless and batched, and the
    state depends on records alone, not on the last digits of a network's output. Not thread-safe.

    Args:
        high_score: boxes from this score on start and continue tracks.
        low_score: boxes from this score on continue tracks; set the detector's threshold as low.
        max_lost_frames: frames that an object may be unseen and keep its id.
        max_tracks: tracks of a camera; those seen least recently end first.
        max_cameras: cameras remembered in a partition; the least recently seen is dropped first.

    Source: Zhang et al., 2022, arXiv:2110.06864; see `camera_tracks.py`.
    """

    name = "byte_tracker"
    event_type = DetectedFrame
    result_type = Detections
    learn_every = 1

    def __init__(
        self,
        high_score: float = 0.4,
        low_score: float = 0.1,
        max_lost_frames: int = 30,
        max_tracks: int = 500,
        max_cameras: int = 256,
    ) -> None:
        if not 0 <= low_score <= high_score <= 1:
            raise ValueError(
                f"low_score {low_score}, high_score {high_score}: expected 0 <= low <= high <= 1"
            )
        if max_lost_frames < 0 or max_tracks < 1:
            raise ValueError(
                f"max_lost_frames {max_lost_frames}, max_tracks {max_tracks}: expected 0 or more, "
                "and 1 or more"
            )
        self._rules = TrackingRules(high_score, low_score, max_lost_frames, max_tracks)
        self._cameras: CameraStore[CameraTracks] = CameraStore(self.name, max_cameras, no_tracks)
        self._options = {
            "high_score": high_score, "low_score": low_score, "max_lost_frames": max_lost_frames,
            "max_tracks": max_tracks, "max_cameras": max_cameras,
        }  # fmt: skip

    @property
    def num_dropped_cameras(self) -> int:
        """Cameras that were forgotten because there were more than `max_cameras`."""
        return self._cameras.num_dropped

    def predict_batch(self, batch: Sequence[DetectedFrame]) -> Sequence[Answer[Detections]]:
        """Return each frame's detections, those of a track with its id.

        Every frame is answered by the state after the frames that were learned. So the engine
        calls this with one frame of each partition at a time.
        """
        return [self._answer(frame) for frame in batch]

    def learn_batch(self, batch: Sequence[DetectedFrame]) -> None:
        """Continue the tracks of the frames' cameras, in order."""
        for frame in batch:
            try:
                tracks, _ = self._advance(frame)
            except InputError:
                continue  # it was answered with the error
            self._cameras.put(frame.source_id, tracks)

    def _answer(self, frame: DetectedFrame) -> Answer[Detections]:
        try:
            _, ids = self._advance(frame)
        except InputError as error:
            return error
        detections = [
            replace(detection, track_id=None if track_id == NO_TRACK else track_id)
            for detection, track_id in zip(frame.detections, ids, strict=True)
        ]
        return Detections(width=frame.width, height=frame.height, detections=detections)

    def _advance(self, frame: DetectedFrame) -> tuple[CameraTracks, list[int]]:
        tracks, ids = advance(
            self._cameras.get(frame.source_id), boxes_of(frame), self._rules, frame.event_time_ms
        )
        return tracks, ids.tolist()

    def take_incidents(self) -> dict[str, int]:
        """Return how many cameras were forgotten since the last call."""
        return self._cameras.take_incidents()

    def snapshot(self) -> bytes:
        """Return the tracks of all cameras."""
        pairs = list(self._cameras.items())
        states = [state for _, state in pairs] or [no_tracks()]
        counts = [[len(s.ids), s.frame, s.next_id, s.time_ms, s.num_dropped] for _, s in pairs]
        arrays = {"cameras": np.array(counts, np.int64).reshape(-1, 5)}
        arrays["num_dropped"] = np.array([self._cameras.num_dropped], np.int64)
        for index, name in enumerate(_COLUMNS):
            arrays[name] = np.concatenate([state.columns()[index] for state in states])
        for index, name in enumerate(_MOTION):
            arrays[name] = np.concatenate([state.motion.arrays()[index] for state in states])
        names = {"cameras": [source_id for source_id, _ in pairs]}
        return pack(self.name, _LAYOUT_VERSION, self._options, names, arrays)

    def restore(self, state: bytes) -> None:
        """Take the tracks of a snapshot."""
        snapshot = unpack(state, self.name, _LAYOUT_VERSION, self._options)
        names = snapshot.list_of("cameras")
        counts = snapshot.array("cameras", np.zeros(0, np.int64), len(names), 5)
        if (counts < 0).any() or len(set(names)) != len(names):
            raise ModelError(f"the snapshot of {self.name} is damaged")
        total = int(counts[:, 0].sum())
        columns = [snapshot.array(name, np.zeros(0, np.int64), total) for name in _COLUMNS]
        motion = [snapshot.array(name, np.zeros(0), total, 4) for name in _MOTION]
        cameras, start = {}, 0
        for source_id, (count, frame, next_id, time_ms, num_dropped) in zip(
            names, counts.tolist(), strict=True
        ):
            rows = slice(start, start + count)
            ids, states, class_ids, first, last = (array[rows] for array in columns)
            cameras[source_id] = CameraTracks(
                Motion(*(array[rows] for array in motion)),
                ids, states, class_ids, first, last, frame, next_id, time_ms, num_dropped,
            )  # fmt: skip
            start += count
        (dropped,) = snapshot.array("num_dropped", np.zeros(0, np.int64), 1).tolist()
        self._cameras.replace(cameras, dropped)


def boxes_of(frame: DetectedFrame) -> Boxes:
    """Return a frame's boxes as arrays.

    Raises:
        SchemaError: a number is not finite.
    """
    found = frame.detections
    corners = np.array([d.box for d in found], np.float64).reshape(-1, 4)
    scores = np.array([d.score for d in found], np.float64)
    if not (np.isfinite(corners).all() and np.isfinite(scores).all()):
        raise SchemaError("detections: a box or a score is not a finite number")
    if np.abs(corners).max(initial=0.0) > 1e9:
        raise SchemaError("detections: a box is more than 1e9 pixels away")
    return Boxes(corners, scores, np.array([d.class_id for d in found], np.int64))
