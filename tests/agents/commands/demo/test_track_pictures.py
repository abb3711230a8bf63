from pathlib import Path

from msgspec.structs import replace
from PIL import Image

from agents.commands.demo.track_pictures import TrackLog, draw_tracks
from schemas import Detection, Detections
from tests.agents.commands.demo.worlds import frame


def _result(*places: tuple[int, float], camera: str = "camera-1") -> Detections:
    found = [
        Detection("car", 0, 0.9, (x, 100.0, x + 60, 140.0), track_id=track) for track, x in places
    ]
    return Detections(source_id=camera, width=640, height=384, detections=found)


def test_the_way_of_each_track_is_kept_also_without_its_frame() -> None:
    log = TrackLog()
    log.add(None, _result((1, 0.0)))
    log.add(frame("a"), _result((1, 10.0), (2, 300.0)))
    log.add(None, _result((2, 310.0)))
    (shot,) = log.shots()
    assert shot.ways == {1: ((30.0, 140.0), (40.0, 140.0)), 2: ((330.0, 140.0),)}


def test_what_is_kept_is_bounded() -> None:
    log = TrackLog()
    for number in range(1000):
        log.add(None, _result((number, 1.0)))
        log.add(None, _result((5000, float(number))))
    log.add(frame("a"), _result((5000, 9.0)))
    assert max(len(way) for shot in log.shots() for way in shot.ways.values()) <= 40


def test_two_cameras_are_drawn_side_by_side(tmp_path: Path) -> None:
    log = TrackLog()
    for camera in ("one", "two", "three"):
        log.add(replace(frame("a"), source_id=camera), _result((1, 9.0), camera=camera))
    draw_tracks(log.shots(), tmp_path / "tracks.png")
    with Image.open(tmp_path / "tracks.png") as image:
        assert image.size == (640 + 8 + 640, 384)
