from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.base import ModelError
from models.training.pictures import (
    digest_of,
    read_class_folders,
    read_coco,
    read_mask,
    read_masked,
    read_picture,
)
from tests.models.training.small_data import write_class_folders, write_squares


def test_class_folders(tmp_path: Path) -> None:
    paths, names = read_class_folders(write_class_folders(tmp_path / "data", 3))
    assert names == ["dark"] * 3 + ["light"] * 3
    assert paths[0].parent.name == "dark"
    (tmp_path / "data" / "empty").mkdir()
    with pytest.raises(ModelError, match="empty: no picture in it"):
        read_class_folders(tmp_path / "data")
    with pytest.raises(ModelError, match="at least two"):
        read_class_folders(tmp_path / "data" / "dark")
    with pytest.raises(ModelError, match="no such folder"):
        read_class_folders(tmp_path / "none")


def test_coco_boxes_become_corners_and_classes_are_in_the_order_of_their_ids(
    tmp_path: Path,
) -> None:
    folder = write_squares(tmp_path / "data", 2)
    pictures, labels = read_coco(folder / "boxes.json", folder / "images")
    assert labels == ["circle", "square"]
    (x, y, width, height) = json.loads((folder / "boxes.json").read_text())["annotations"][0][
        "bbox"
    ]
    assert pictures[0].boxes.tolist() == [[x, y, x + width, y + height]]
    assert pictures[0].class_ids.tolist() == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotations": []}, "no box in it"),
        ({"images": [{"id": 0, "file_name": "absent.png"}]}, "not listed|absent.png"),
        ({"categories": [{"id": 1, "name": "x"}]}, "category_id 7"),
        ({"images": "none"}, "not a COCO file of boxes"),
    ],
)
def test_a_coco_file_that_can_not_be_used_is_explained(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = write_squares(tmp_path / "data", 2)
    coco = json.loads((folder / "boxes.json").read_text()) | change
    (folder / "boxes.json").write_text(json.dumps(coco))
    with pytest.raises(ModelError, match=message):
        read_coco(folder / "boxes.json", folder / "images")


def test_masks(tmp_path: Path) -> None:
    folder = write_squares(tmp_path / "data", 2)
    pairs, labels = read_masked(folder)
    assert labels == ["nothing", "square"]
    mask = read_mask(pairs[0][1], 2)
    assert set(np.unique(mask).tolist()) == {0, 1}
    with pytest.raises(ModelError, match=r"a pixel of class 1, but classes\.txt has 1"):
        read_mask(pairs[0][1], 1)
    with pytest.raises(ModelError, match="its mode is RGB"):
        read_mask(pairs[0][0], 2)
    pairs[1][1].unlink()
    with pytest.raises(ModelError, match="has no mask"):
        read_masked(folder)


def test_a_picture_that_can_not_be_decoded_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    path.write_bytes(b"no picture")
    with pytest.raises(ModelError, match=r"bad\.png: .*correct or remove it"):
        read_picture(path)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("L", (2, 2), 1).save(path)
    before = digest_of([path])
    assert digest_of([path]) == before
    Image.new("L", (2, 2), 2).save(path)
    assert digest_of([path]) != before
