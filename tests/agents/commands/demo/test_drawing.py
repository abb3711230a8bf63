from pathlib import Path

from PIL import Image

from agents.commands.demo.drawing import annotated, draw_shots
from agents.commands.demo.gallery import Shot
from tests.agents.commands.demo.worlds import detections, frame

BACKGROUND = (10, 20, 30)


def far_from_background(pixel: object) -> bool:
    assert isinstance(pixel, tuple)
    distance = sum(abs(int(a) - b) for a, b in zip(pixel, BACKGROUND, strict=True))
    return distance > 100


def test_boxes_are_drawn_where_they_were_found() -> None:
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


def test_pictures_of_an_earlier_run_go(tmp_path: Path) -> None:
    shots = [Shot(frame(i), detections(i, 0.9)) for i in "abc"]
    assert len(draw_shots(shots, tmp_path / "frames")) == 3
    (tmp_path / "frames" / "mine.jpg").write_bytes(b"mine")
    written = draw_shots(shots[:1], tmp_path / "frames")
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["frame-01.jpg", "mine.jpg"]
    with Image.open(written[0]) as image:
        assert image.format == "JPEG"
