import time

from agents.commands.demo.gallery import MAX_PENDING, MAX_PICTURES, Gallery
from tests.agents.commands.demo.worlds import detections, frame


def test_the_best_frame_of_a_stretch_is_kept() -> None:
    gallery = Gallery(seconds=1000)
    for event_id in ("a", "b", "c"):
        gallery.sent(frame(event_id))
    gallery.answered(detections("a", 0.5))
    gallery.answered(detections("b", 0.9, 0.8))
    gallery.answered(detections("c", 0.9))
    (shot,) = gallery.shots()
    assert shot.frame.event_id == "b"


def test_frames_that_show_nothing_are_not_kept() -> None:
    gallery = Gallery(seconds=1000)
    gallery.sent(frame("a"))
    gallery.answered(detections("a"))
    gallery.answered(detections("never-sent", 0.9))
    assert gallery.shots() == []


def test_a_picture_that_comes_round_again_is_shown_once() -> None:
    gallery = Gallery(seconds=0.04)
    for number in range(4):
        gallery.sent(frame(str(number)))
        gallery.answered(detections(str(number), 0.9))
        time.sleep(0.011)
    assert len(gallery.shots()) == 1


def test_memory_is_bounded() -> None:
    gallery = Gallery(seconds=1000)
    for number in range(MAX_PENDING + 1):
        gallery.sent(frame(str(number), size=(8, 8)))
    gallery.answered(detections("0", 0.9))
    assert gallery.shots() == []
    gallery.answered(detections("1", 0.9))
    assert len(gallery.shots()) == 1


def test_many_cameras_share_the_pictures() -> None:
    gallery = Gallery(seconds=1000)
    for number in range(30):
        gallery.sent(frame(str(number), camera=f"camera-{number}", size=(8, 8)))
        gallery.answered(detections(str(number), 0.9))
    cameras = [shot.frame.source_id for shot in gallery.shots()]
    assert len(cameras) == len(set(cameras)) == MAX_PICTURES
