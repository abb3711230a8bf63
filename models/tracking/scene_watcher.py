"""Reports what tracked objects do: they cross lines, enter zones, leave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from models.base import Answer, ModelError, OnlineModel
from models.snapshots import Option, pack, unpack
from models.tracking.byte_tracker import boxes_of
from models.tracking.camera_store import CameraStore
from models.tracking.places import Point, crosses, is_inside, read_lines, read_zones, side
from schemas import DetectedFrame, InputError, SceneEvent

_LAYOUT_VERSION = 1
#: Without places, the whole picture is one zone.
_PICTURE = {"picture": [[0, 0], [1, 0], [1, 1], [0, 1]]}
_FORWARD, _BACKWARD = "left_to_right", "right_to_left"


class _Seen(msgspec.Struct, frozen=True):
    """One object, as it was last seen."""

    label: str
    x: float
    y: float
    last_ms: int
    since_ms: dict[str, int]
    """The zones that it is in, with the time of its first frame there."""


class _Scene(msgspec.Struct, frozen=True):
    """The state of one camera; never changed."""

    objects: dict[int, _Seen] = {}
    crossings: dict[str, dict[str, int]] = {}
    """Line and direction, to the number of crossings per class."""


class SceneWatcher(OnlineModel[DetectedFrame, SceneEvent]):
    """Reports line crossings, and when objects enter and leave zones, with counts per class.

    It reads detections with track ids, as `byte_tracker` writes them; those without are ignored.
    An object is where the middle of its box's lower edge is: where it touches the ground.

    Args:
        lines: name -> two points [x, y], in pixels, or shares of width and height (0 to 1).
        zones: name -> three or more points; None, and no lines either: the whole picture is the
            zone `picture`.
        lost_after_seconds: an object that is unseen for longer has left its zones, by event times.
        max_objects: objects remembered at a camera; those seen least recently leave first.
        max_cameras: cameras remembered in a partition; the least recently seen is dropped first.
    """

    name = "scene_watcher"
    event_type = DetectedFrame
    result_type = SceneEvent
    learn_every = 1

    def __init__(
        self,
        lines: Mapping[str, Any] | None = None,
        zones: Mapping[str, Any] | None = None,
        lost_after_seconds: float = 3.0,
        max_objects: int = 1000,
        max_cameras: int = 256,
    ) -> None:
        if not 0 <= lost_after_seconds <= 86_400 or max_objects < 1:
            raise ValueError(
                f"lost_after_seconds {lost_after_seconds}, max_objects {max_objects}: expected "
                "0 to 86,400, and 1 or more"
            )
        self._lines = read_lines(lines)
        self._zones = read_zones(zones if zones or lines else _PICTURE)
        self._lost_after_ms = round(1000 * lost_after_seconds)
        self._max_objects = max_objects
        self._cameras: CameraStore[_Scene] = CameraStore(self.name, max_cameras, _Scene)
        self._options: dict[str, Option] = {
            "places": [f"{place.name} {place.points}" for place in [*self._lines, *self._zones]],
            "lost_after_ms": self._lost_after_ms, "max_objects": max_objects,
            "max_cameras": max_cameras,
        }  # fmt: skip

    def predict_batch(self, batch: Sequence[DetectedFrame]) -> Sequence[Answer[SceneEvent]]:
        """Return each frame's events, often none, after the frames that were learned."""
        return [self._answer(frame) for frame in batch]

    def learn_batch(self, batch: Sequence[DetectedFrame]) -> None:
        """Remember where the frames' objects are, in order."""
        for frame in batch:
            try:
                scene, _ = self._advance(frame)
            except InputError:
                continue  # it was answered with the error
            self._cameras.put(frame.source_id, scene)

    def _answer(self, frame: DetectedFrame) -> Answer[SceneEvent]:
        try:
            return self._advance(frame)[1]
        except InputError as error:
            return error

    def _advance(self, frame: DetectedFrame) -> tuple[_Scene, list[SceneEvent]]:
        boxes_of(frame)  # checks the numbers
        step = _Step(self._cameras.get(frame.source_id), frame)
        lines = [(p.name, p.in_pixels(frame.width, frame.height)) for p in self._lines]
        zones = [(p.name, p.in_pixels(frame.width, frame.height)) for p in self._zones]
        for found in frame.detections:
            if found.track_id is not None:
                x1, _, x2, y2 = found.box
                step.see(found.track_id, found.label, ((x1 + x2) / 2, y2), lines, zones)
        step.leave_lost(self._lost_after_ms, self._max_objects)
        return _Scene(step.objects, step.crossings), step.events

    def take_incidents(self) -> dict[str, int]:
        """Return how many cameras were forgotten since the last call."""
        return self._cameras.take_incidents()

    def snapshot(self) -> bytes:
        """Return the objects and counts of all cameras."""
        pairs = list(self._cameras.items())
        states = [msgspec.json.encode(state).decode() for _, state in pairs]
        names = {"cameras": [source_id for source_id, _ in pairs], "states": states}
        dropped = np.array([self._cameras.num_dropped], np.int64)
        return pack(self.name, _LAYOUT_VERSION, self._options, names, {"num_dropped": dropped})

    def restore(self, state: bytes) -> None:
        """Take the objects and counts of a snapshot."""
        snapshot = unpack(state, self.name, _LAYOUT_VERSION, self._options)
        names, states = snapshot.list_of("cameras"), snapshot.list_of("states")
        try:
            scenes = [msgspec.json.decode(each, type=_Scene) for each in states]
            cameras = dict(zip(names, scenes, strict=True))
        except (msgspec.MsgspecError, ValueError) as error:
            raise ModelError(f"the snapshot of {self.name} is damaged: {error}") from error
        (dropped,) = snapshot.array("num_dropped", np.zeros(0, np.int64), 1).tolist()
        self._cameras.replace(cameras, dropped)


class _Step:
    """One frame's change of a scene."""

    def __init__(self, scene: _Scene, frame: DetectedFrame) -> None:
        self.objects = dict(scene.objects)
        self.crossings = {name: dict(counts) for name, counts in scene.crossings.items()}
        self.events: list[SceneEvent] = []
        self._now_ms = frame.event_time_ms

    def see(
        self, track_id: int, label: str, at: Point,
        lines: Sequence[tuple[str, Sequence[Point]]], zones: Sequence[tuple[str, Sequence[Point]]],
    ) -> None:  # fmt: skip
        """Move an object to where it is now."""
        before = self.objects.pop(track_id, None)
        since = dict(before.since_ms) if before else {}
        for name, points in lines:
            if before and crosses((before.x, before.y), at, points):
                self._cross(track_id, label, name, side(at, points))
        entered, left = [], {}
        for name, points in zones:
            if not is_inside(at, points):
                if name in since:
                    left[name] = since.pop(name)
            elif name not in since:
                since[name] = self._now_ms
                entered.append(name)
        self.objects[track_id] = _Seen(label, *at, self._now_ms, since)
        for name, first_ms in left.items():
            last_ms = before.last_ms if before else first_ms
            self._leave(track_id, label, name, first_ms, last_ms)
        for name in entered:
            self._report("zone_entered", name, track_id, label, self._present(name))

    def leave_lost(self, lost_after_ms: int, max_objects: int) -> None:
        """Let objects go that were not seen for long, or that are too many."""
        for track_id, seen in list(self.objects.items()):
            is_lost = self._now_ms - seen.last_ms > lost_after_ms
            if is_lost or len(self.objects) > max_objects:
                del self.objects[track_id]
                for name, since_ms in seen.since_ms.items():
                    self._leave(track_id, seen.label, name, since_ms, seen.last_ms)

    def _cross(self, track_id: int, label: str, name: str, side_now: int) -> None:
        direction = _FORWARD if side_now > 0 else _BACKWARD
        counts = self.crossings.setdefault(f"{name} {direction}", {})
        counts[label] = counts.get(label, 0) + 1
        self._report("line_crossed", name, track_id, label, dict(counts), direction=direction)

    def _leave(self, track_id: int, label: str, name: str, first_ms: int, last_ms: int) -> None:
        dwell = max(0, last_ms - first_ms)
        self._report("zone_left", name, track_id, label, self._present(name), dwell_ms=dwell)

    def _present(self, zone: str) -> dict[str, int]:
        counts: dict[str, int] = {}
        for seen in self.objects.values():
            if zone in seen.since_ms:
                counts[seen.label] = counts.get(seen.label, 0) + 1
        return counts

    def _report(
        self, kind: Any, place: str, track_id: int, label: str, counts: dict[str, int], **more: Any
    ) -> None:
        event = SceneEvent(
            kind=kind, place=place, track_id=track_id, label=label, counts=counts, **more
        )
        self.events.append(event)
