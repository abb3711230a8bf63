"""The results of a detector and of a tracker are read as events."""

from __future__ import annotations

import msgspec

from schemas import DetectedFrame, Detection, Detections, JsonCodec, MsgpackCodec

CAR = Detection("car", 0, 0.9, (1.0, 2.0, 3.0, 4.0))


def test_a_result_is_read_as_an_event() -> None:
    for track_id in (None, 7):
        found = [msgspec.structs.replace(CAR, track_id=track_id)]
        result = Detections(
            source_id="gate", event_time_ms=5, width=8, height=6, detections=found, model="m"
        )
        for codec in (JsonCodec(DetectedFrame), MsgpackCodec(DetectedFrame)):
            event = codec.decode(codec.encode(result), {})
            assert event == DetectedFrame(
                source_id="gate", event_time_ms=5, width=8, height=6, detections=found
            )


def test_a_detection_without_a_track_is_written_as_before() -> None:
    written = msgspec.json.decode(msgspec.json.encode(CAR))
    assert written == {"label": "car", "class_id": 0, "score": 0.9, "box": [1.0, 2.0, 3.0, 4.0]}
