"""Small data sets that can be learned in some steps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image


def write_class_folders(folder: Path, count: int = 20, sides: tuple[int, int] = (40, 50)) -> Path:
    """Write dark and light pictures, a folder each."""
    chance = np.random.default_rng(0)
    for name, level in (("dark", 40), ("light", 210)):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            pixels = level + chance.integers(-30, 30, (*sides, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


def write_squares(folder: Path, count: int = 12) -> Path:
    """Write gray pictures with a white square: COCO boxes, and masks with class 1 for it."""
    chance = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    images, annotations = [], []
    for index in range(count):
        pixels, mask = np.full((96, 160, 3), 90, np.uint8), np.zeros((96, 160), np.uint8)
        x, y, side = (int(v) for v in chance.integers((4, 4, 30), (110, 50, 42)))
        pixels[y : y + side, x : x + side], mask[y : y + side, x : x + side] = 250, 1
        Image.fromarray(pixels).save(folder / "images" / f"{index}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{index}.png")
        images.append({"id": index, "file_name": f"{index}.png", "width": 160, "height": 96})
        box = {"image_id": index, "category_id": 7, "bbox": [x, y, side, side], "iscrowd": 0}
        annotations.append({"id": index, **box})
    coco = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 3, "name": "circle"}, {"id": 7, "name": "square"}],
    }
    (folder / "boxes.json").write_text(json.dumps(coco))
    (folder / "classes.txt").write_text("nothing\nsquare\n")
    return folder
