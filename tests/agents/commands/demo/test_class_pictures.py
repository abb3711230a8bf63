from pathlib import Path

from PIL import Image

from agents.commands.demo.class_pictures import ClassGallery, draw_classes
from schemas import Classification
from tests.agents.commands.demo.worlds import frame


def _result(class_id: int) -> Classification:
    return Classification(label=f"class {class_id}", class_id=class_id, score=0.5)


def test_each_class_has_its_share_of_the_sheet(tmp_path: Path) -> None:
    gallery = ClassGallery()
    for number in range(100):
        gallery.add(frame(str(number), size=(30, 20)), _result(0))
    gallery.add(frame("rare", size=(30, 20)), _result(3))
    chosen = gallery.chosen()
    assert len(chosen) == 20
    assert [result.class_id for _, result in chosen].count(3) == 1
    draw_classes(chosen, tmp_path / "classes.png")
    with Image.open(tmp_path / "classes.png") as image:
        assert image.size == (1200, 280)
