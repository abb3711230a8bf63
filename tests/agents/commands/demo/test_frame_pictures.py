import time
from pathlib import Path

from PIL import Image

from agents.commands.demo.frame_pictures import (
    MAX_PICTURES,
    FrameGallery,
    Shot,
    annotated,
    draw_overview,
    draw_shots,
)
from tests.agents.commands.demo.worlds import detections, frame

BACKGROUND = (10, 20, 30)


def test_the_best_frame_of_a_stretch_is_kept() -> None:
    gallery = FrameGallery(seconds=1000)
    gallery.add(frame("a"), detections("a", 0.5))
    gallery.add(frame("b"), detections("b", 0.9, 0.8))
    gallery.add(frame("c"), detections("c", 0.9))
    (shot,) = gallery.shots()
    assert shot.frame.event_id == "b"


def test_frames_without_detections_are_not_kept() -> None:
    gallery = FrameGallery(seconds=1000)
    gallery.add(frame("a"), detections("a"))
    assert gallery.shots() == []


def test_a_repeated_picture_is_shown_once() -> None:
    gallery = FrameGallery(seconds=0.04)
    for number in range(4):
        gallery.add(frame(str(number)), detections(str(number), 0.9))
        time.sleep(0.011)
    assert len(gallery.shots()) == 1


def test_each_of_many_cameras_gets_its_share_of_the_pictures() -> None:
    gallery = FrameGallery(seconds=1000)
    for number in range(30):
        shown = frame(str(number), camera=f"camera-{number}", size=(8, 8))
        gallery.add(shown, detections(str(number), 0.9))
    cameras = [shot.frame.source_id for shot in gallery.shots()]
    assert len(cameras) == len(set(cameras)) == MAX_PICTURES


def far_from_background(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    distance = sum(abs(int(a) - b) for a, b in zip(pixel, BACKGROUND, strict=True))
    return distance > 100


def test_boxes_are_drawn_around_the_detections() -> None:
    image = annotated(Shot(frame("a"), detections("a", 0.9)))
    assert image.size == (640, 384)
    for edge in ((100, 150), (150, 150), (125, 200)):
        assert far_from_background(image.getpixel(edge))
    assert not far_from_background(image.getpixel((125, 150)))
    assert not far_from_background(image.getpixel((400, 150)))


def test_small_frames_are_enlarged_with_their_boxes() -> None:
    size = (320, 192)
    image = annotated(Shot(frame("a", size=size), detections("a", 0.9, size=size)))
    assert image.size == (640, 384)
    assert far_from_background(image.getpixel((200, 300)))


def test_pictures_of_an_earlier_run_are_deleted(tmp_path: Path) -> None:
    shots = [Shot(frame(i), detections(i, 0.9)) for i in "abc"]
    assert len(draw_shots(shots, tmp_path / "frames")) == 3
    (tmp_path / "frames" / "mine.jpg").write_bytes(b"mine")
    written = draw_shots(shots[:1], tmp_path / "frames")
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["frame-01.jpg", "mine.jpg"]
    with Image.open(written[0]) as image:
        assert image.format == "JPEG"


def test_the_overview_shows_the_best_shot_of_two_cameras(tmp_path: Path) -> None:
    one_object, two_objects = detections("a", 0.9), detections("b", 0.9, 0.8)
    shots = [
        Shot(frame("a", "camera-1"), one_object),
        Shot(frame("b", "camera-1"), two_objects),
        Shot(frame("a", "camera-2"), one_object),
    ]
    draw_overview(shots, tmp_path / "overview.png")
    with Image.open(tmp_path / "overview.png") as image:
        picture = image.convert("RGB")
    assert picture.height == 384
    second_box = (160, 150)
    assert far_from_background(picture.getpixel(second_box))
    left_of_camera_2 = picture.width - 640
    assert left_of_camera_2 > 640
    assert far_from_background(picture.getpixel((left_of_camera_2 + 100, 150)))
    assert not far_from_background(picture.getpixel((left_of_camera_2 + 160, 150)))


def test_the_overview_of_one_camera_is_one_frame_wide(tmp_path: Path) -> None:
    draw_overview([Shot(frame("a"), detections("a", 0.9))], tmp_path / "overview.png")
    with Image.open(tmp_path / "overview.png") as image:
        assert image.size == (640, 384)
