"""Ids of tracks: stable through low scores, gaps and restarts, apart for each camera, bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models.evaluation import answer_stream, one_result
from models.tracking.byte_tracker import ByteTracker
from schemas import DetectedFrame, Detection, InputError

Box = tuple[float, float, float, float]


def frame(*found: tuple[Box, float], camera: str = "gate", time_ms: int = 0) -> DetectedFrame:
    detections = [Detection("car", 0, score, box) for box, score in found]
    return DetectedFrame(
        source_id=camera, event_time_ms=time_ms, width=640, height=384, detections=detections
    )


def car(at: float, score: float = 0.9, y: float = 100.0) -> tuple[Box, float]:
    return (at, y, at + 60.0, y + 40.0), score


def ids(tracker: ByteTracker, frames: Sequence[DetectedFrame]) -> list[list[int | None]]:
    answers = answer_stream(tracker, frames)
    return [[d.track_id for d in one_result(answer).detections] for answer in answers]


def test_an_object_keeps_its_id_and_a_second_has_another() -> None:
    frames = [frame(car(5.0 * i), car(500 - 5.0 * i, y=250.0)) for i in range(20)]
    assert ids(ByteTracker(), frames) == [[1, 2]] * 20


def test_a_low_score_continues_a_track_and_starts_none() -> None:
    frames = [frame(car(5.0 * i, score=0.15 if 5 <= i < 9 else 0.9)) for i in range(12)]
    assert ids(ByteTracker(), frames) == [[1]] * 12
    assert ids(ByteTracker(), [frame(car(5.0 * i, 0.15)) for i in range(5)]) == [[None]] * 5


@pytest.mark.parametrize(("gap", "is_same"), [(10, True), (40, False)])
def test_an_object_that_is_unseen_keeps_its_id_for_a_while(gap: int, is_same: bool) -> None:
    before = [frame(car(4.0 * i)) for i in range(20)]
    unseen = [frame() for _ in range(gap)]
    after = [frame(car(4.0 * (20 + gap + i))) for i in range(5)]
    last = ids(ByteTracker(), [*before, *unseen, *after])[-1]
    assert last == ([1] if is_same else [2])


def test_a_box_that_is_seen_once_has_no_id() -> None:
    frames = [frame(car(5.0 * i), *([car(400.0, y=300.0)] if i == 6 else [])) for i in range(12)]
    assert ids(ByteTracker(), frames)[6] == [1, None]


def test_a_fast_object_keeps_its_id_at_few_frames_a_second() -> None:
    frames = [frame(car(50.0 * i)) for i in range(12)]  # its boxes overlap by a tenth
    assert ids(ByteTracker(), frames) == [[1]] * 12


def test_objects_that_pass_each_other_do_not_swap_their_ids() -> None:
    # The nearer one covers the other, which is not found for some frames, then by a part.
    frames = []
    for i in range(20):
        near, far = car(20.0 * i), car(420 - 20.0 * i, y=88.0, score=0.6)
        frames.append(frame(near, *([] if 8 <= i <= 12 else [far])))
    found = ids(ByteTracker(), frames)
    assert [each[0] for each in found] == [1] * 20
    assert [each[1] for each in found if len(each) > 1] == [2] * 15


def test_frames_that_a_camera_drops_are_seen_by_their_times() -> None:
    seen = [i for i in range(30) if i % 7 not in (3, 4, 5)]
    times = [frame(car(30.0 * i), time_ms=1_000_000 + 100 * i) for i in seen]
    assert ids(ByteTracker(), times) == [[1]] * len(seen)


@pytest.mark.parametrize("times", [[5, 5, 5], [9_000, 8_000, 1], [10**15, 1, 10**15]])
def test_times_that_stand_still_or_go_back_do_no_harm(times: list[int]) -> None:
    frames = [frame(car(5.0), time_ms=times[i % 3]) for i in range(12)]
    assert ids(ByteTracker(), frames) == [[1]] * 12


def test_cameras_do_not_disturb_each_other() -> None:
    one = [frame(car(5.0 * i), camera="one") for i in range(10)]
    two = [frame(car(300 - 5.0 * i), car(9.0 * i, y=200.0), camera="two") for i in range(10)]
    mixed = [each for pair in zip(one, two, strict=True) for each in pair]
    found = ids(ByteTracker(), mixed)
    assert found[::2] == ids(ByteTracker(), one)
    assert found[1::2] == ids(ByteTracker(), two)


def test_a_moved_partition_keeps_its_ids() -> None:
    frames = [frame(car(5.0 * i), car(500 - 5.0 * i, y=250.0)) for i in range(30)]
    first, second = ByteTracker(), ByteTracker()
    ids(first, frames[:17])
    second.restore(first.snapshot())
    assert ids(second, frames[17:]) == [[1, 2]] * 13
    ids(first, frames[17:])
    assert first.snapshot() == second.snapshot()


def test_the_number_of_cameras_is_bounded_and_counted() -> None:
    tracker = ByteTracker(max_cameras=3)
    for name in "abcda":
        tracker.learn_batch([frame(car(1.0), camera=name)])
    assert tracker.num_dropped_cameras == 2
    again = ByteTracker(max_cameras=3)
    again.restore(tracker.snapshot())
    assert again.num_dropped_cameras == 2
    assert again.snapshot() == tracker.snapshot()


def test_the_number_of_tracks_is_bounded() -> None:
    dice = np.random.default_rng(0)
    tracker = ByteTracker(max_tracks=5)
    for _ in range(30):
        found = [car(float(x), y=float(y)) for x, y in dice.uniform(0, 3000, (40, 2))]
        tracker.learn_batch([frame(*found)])
    assert len(tracker.snapshot()) < 3000


@pytest.mark.parametrize("box", [(0.0, 0.0, float("nan"), 1.0), (0.0, 0.0, 1e300, 1.0)])
def test_a_box_that_is_no_box_is_an_error_of_its_frame_alone(box: Box) -> None:
    tracker = ByteTracker()
    good = [frame(car(5.0 * i)) for i in range(3)]
    answers = answer_stream(tracker, [good[0], frame((box, 0.9)), *good[1:]])
    assert isinstance(answers[1], InputError)
    assert one_result(answers[3]).detections[0].track_id == 1


@pytest.mark.parametrize("box", [(9.0, 9.0, 9.0, 9.0), (50.0, 50.0, 10.0, 10.0), (0, 0, 1e9, 1e-9)])
def test_odd_boxes_are_followed_without_harm(box: Any) -> None:
    frames = [frame((box, 0.9), car(5.0 * i)) for i in range(10)]
    assert [each[1] for each in ids(ByteTracker(), frames)] == [2] * 10


@pytest.mark.parametrize(
    "options",
    [{"high_score": 0.1, "low_score": 0.5}, {"high_score": 2}, {"max_tracks": 0},
     {"max_lost_frames": -1}, {"max_cameras": 0}],
)  # fmt: skip
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected"):
        ByteTracker(**options)
