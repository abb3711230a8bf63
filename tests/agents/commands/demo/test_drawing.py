from PIL import Image, ImageDraw

from agents.commands.demo.drawing import draw_label, opened, side_by_side
from tests.agents.commands.demo.worlds import frame


def test_small_frames_are_enlarged_and_large_ones_kept() -> None:
    image, factor = opened(frame("a", size=(320, 200)))
    assert (image.size, factor) == ((640, 400), 2.0)
    assert opened(frame("a", size=(700, 300)))[0].size == (700, 300)


def test_pictures_beside_each_other_are_equally_high() -> None:
    sheet = side_by_side([Image.new("RGB", (100, 50), "red"), Image.new("RGB", (60, 120), "red")])
    assert sheet.size == (100 + 8 + 25, 50)


def test_a_label_stays_inside_the_picture() -> None:
    for at in ((-50.0, -50.0), (95.0, -5.0)):
        image = Image.new("RGB", (100, 60), "white")
        draw_label(ImageDraw.Draw(image), at, "truck", "#00ff00")
        green = [image.getpixel((x, 2)) == (0, 255, 0) for x in range(100)]
        assert sum(green) > 20
