from pathlib import Path

from msgspec.structs import replace

from agents.commands.demo.pictures import MAX_PENDING_FRAMES, PictureRecorder
from schemas import Classification, ClassScore, Detections
from tests.agents.commands.demo.worlds import detections, frame, score


def test_a_frame_is_joined_with_its_result() -> None:
    recorder = PictureRecorder(seconds=1000)
    recorder.add_event(frame("a"))
    recorder.add_event(frame("b"))
    recorder.add_result(detections("b", 0.9))
    (shot,) = recorder.frames.shots()
    assert (shot.frame.event_id, shot.result.event_id) == ("b", "b")


def test_results_of_unknown_events_are_left_out() -> None:
    recorder = PictureRecorder(seconds=1000)
    recorder.add_result(detections("never-sent", 0.9))
    recorder.add_result(score("never-sent", "pump", 0.9))
    assert recorder.frames.shots() == []
    assert recorder.sensors.series(3) == []


def test_only_the_latest_frames_wait_for_their_result() -> None:
    recorder = PictureRecorder(seconds=1000)
    for number in range(MAX_PENDING_FRAMES + 1):
        recorder.add_event(frame(str(number), size=(8, 8)))
    recorder.add_result(detections("0", 0.9))
    assert recorder.frames.shots() == []
    recorder.add_result(detections("1", 0.9))
    assert len(recorder.frames.shots()) == 1


def test_pictures_without_content_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "anomalies.png").write_bytes(b"of an earlier run")
    recorder = PictureRecorder(seconds=1000)
    recorder.add_event(frame("a"))
    recorder.add_result(detections("a", 0.9))
    written = [path.name for path in recorder.draw(tmp_path)]
    assert written == ["frame-01.jpg", "detections.png"]
    assert not (tmp_path / "anomalies.png").exists()


def test_tracks_are_joined_with_the_frame_of_their_detections() -> None:
    recorder = PictureRecorder(seconds=1000)
    for number in range(3):
        recorder.add_event(frame(str(number)))
        recorder.add_result(detections(str(number), 0.9))
        recorder.add_result(_tracked(str(number)))
    (shot,) = recorder.tracks.shots()
    assert shot.frame.event_id == "2"
    assert {track: len(way) for track, way in shot.ways.items()} == {7: 3}


def test_a_classified_picture_is_not_a_camera_frame(tmp_path: Path) -> None:
    recorder = PictureRecorder(seconds=1000)
    recorder.add_event(frame("a"))
    top = [ClassScore("car", 0, 0.9)]
    recorder.add_result(Classification(event_id="a", label="car", class_id=0, score=0.9, top=top))
    assert recorder.frames.shots() == []
    assert [path.name for path in recorder.draw(tmp_path)] == ["classes.png"]


def _tracked(event_id: str) -> Detections:
    result = detections(event_id, 0.9)
    found = [replace(detection, track_id=7) for detection in result.detections]
    return replace(result, detections=found, model="byte_tracker", source_id="camera-1")
