"""Crossings, zones, dwell and counts, from tracks whose ways are known."""

from __future__ import annotations

from typing import Any

from models.evaluation import answer_stream
from models.tracking.scene_watcher import SceneWatcher
from schemas import DetectedFrame, Detection, SceneEvent
from tests.models.contract import results_of

START_MS = 1_700_000_000_000


def frame(at_ms: int, *found: tuple[int | None, str, float]) -> DetectedFrame:
    """Return a frame of 100 x 100 pixels with objects at x, on the ground at y = 50."""
    detections = [
        Detection(label, 0, 0.9, (x - 5, 30.0, x + 5, 50.0), track_id)
        for track_id, label, x in found
    ]
    return DetectedFrame(
        source_id="gate", event_time_ms=START_MS + at_ms, width=100, height=100,
        detections=detections,
    )  # fmt: skip


def events(watcher: SceneWatcher, frames: list[DetectedFrame]) -> list[SceneEvent]:
    return [event for answer in answer_stream(watcher, frames) for event in results_of(answer)]


def brief(found: list[SceneEvent]) -> list[Any]:
    return [(e.kind, e.place, e.track_id, e.direction or e.dwell_ms, e.counts) for e in found]


def test_crossings_are_counted_by_class_and_direction() -> None:
    watcher = SceneWatcher(lines={"gate": [[0.5, 1], [0.5, 0]]})
    frames = [
        frame(100 * i, (1, "car", 10.0 * i + 5), (2, "bus", 95 - 10.0 * i)) for i in range(10)
    ]
    frames += [frame(2000 + 100 * i, (3, "car", 10.0 * i + 5)) for i in range(10)]
    assert brief(events(watcher, frames)) == [
        ("line_crossed", "gate", 1, "left_to_right", {"car": 1}),
        ("line_crossed", "gate", 2, "right_to_left", {"bus": 1}),
        ("line_crossed", "gate", 3, "left_to_right", {"car": 2}),
    ]


def test_dwell_is_the_time_from_the_first_to_the_last_frame_inside() -> None:
    watcher = SceneWatcher(zones={"yard": [[40, 0], [80, 0], [80, 100], [40, 100]]})
    frames = [frame(1000 * i, (7, "person", 10.0 * i + 5)) for i in range(10)]
    assert brief(events(watcher, frames)) == [
        ("zone_entered", "yard", 7, 0, {"person": 1}),
        ("zone_left", "yard", 7, 3000, {}),
    ]


def test_an_object_that_vanishes_has_left_after_a_while() -> None:
    watcher = SceneWatcher(lost_after_seconds=2)
    frames = [frame(500 * i, (1, "car", 50)) for i in range(5)]
    frames += [frame(2500 + 500 * i) for i in range(8)]
    found = answer_stream(watcher, frames)
    (left,) = [e for answer in found for e in results_of(answer) if e.kind == "zone_left"]
    assert left.dwell_ms == 2000
    assert results_of(found[9]) == [left]  # the first frame more than 2 s after the last sight


def test_a_moved_partition_counts_on() -> None:
    frames = [frame(100 * i, (1, "car", 10.0 * i + 5)) for i in range(10)]
    frames += [frame(2000 + 100 * i, (2, "car", 10.0 * i + 5)) for i in range(10)]
    options: dict[str, Any] = {"lines": {"a": [[0.5, 1], [0.5, 0]]}, "zones": {"z": [
        [0.2, 0], [0.7, 0], [0.7, 1]]}}  # fmt: skip
    steady = SceneWatcher(**options)
    expected = events(steady, frames)
    for cut in (3, 7, 12):
        first, second = SceneWatcher(**options), SceneWatcher(**options)
        found = events(first, frames[:cut])
        second.restore(first.snapshot())
        assert found + events(second, frames[cut:]) == expected
        assert second.snapshot() == steady.snapshot()


def test_boxes_without_a_track_are_ignored() -> None:
    frames = [frame(100 * i, (None, "car", 10.0 * i)) for i in range(10)]
    assert events(SceneWatcher(), frames) == []


def test_the_number_of_objects_is_bounded() -> None:
    watcher = SceneWatcher(max_objects=10)
    frames = [frame(10 * i, (i, "car", 50.0)) for i in range(1, 200)]
    found = events(watcher, frames)
    assert sum(e.kind == "zone_left" for e in found) == 189
    assert len(watcher.snapshot()) < 3000
