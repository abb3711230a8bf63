from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.vision.folder_config import read_image_settings, read_labels

NORMAL = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"size": {"height": 64, "width": 96}}, (64, 96, "stretch", None)),
        ({"size": 224}, (224, 224, "stretch", None)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (224, 224, "crop", 256)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, (384, 384, "stretch", None)),
        (
            {
                "size": {"shortest_edge": 256},
                "do_center_crop": True,
                "crop_size": {"height": 224, "width": 224},
            },
            (224, 224, "crop", 256),
        ),
    ],
)
def test_sizes_of_transformers(
    tmp_path: Path, declared: dict[str, Any], expected: tuple[object, ...]
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(declared | NORMAL))
    found = read_image_settings(tmp_path)
    keys = ("height", "width", "resize", "resized_to")
    assert tuple(found.get(key) for key in keys) == expected
    assert found["mean"] == (0.5, 0.5, 0.5)


def test_timm_declares_in_its_config(tmp_path: Path) -> None:
    cfg = {"input_size": [3, 224, 224], "crop_pct": 0.9, "mean": [0.1] * 3, "std": [0.2] * 3}
    names = {"label_names": ["a", "b"]}
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": cfg, **names}))
    found = read_image_settings(tmp_path)
    assert (found["resized_to"], found["mean"], found["resampling"]) == (248, (0.1,) * 3, "bicubic")
    assert read_labels(None, tmp_path) == ["a", "b"]


def test_labels_by_id_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"id2label": {"10": "k", "0": "a", "2": "c"}}')
    labels = read_labels(None, tmp_path)
    assert (labels[0], labels[2], labels[10], labels[1]) == ("a", "c", "k", "class 1")


def test_what_can_not_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(ModelError, match="expected a JSON object"):
        read_labels(None, tmp_path)
    (tmp_path / "config.json").unlink()
    (tmp_path / "preprocessor_config.json").write_text('{"size": {"longest_edge": 3}}')
    with pytest.raises(ModelError, match="its preprocessing can't be read"):
        read_image_settings(tmp_path)
