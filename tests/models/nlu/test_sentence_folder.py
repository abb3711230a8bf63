from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.nlu.sentence_folder import read_pooling

OLD = {
    "word_embedding_dimension": 384,
    "pooling_mode_cls_token": True,
    "pooling_mode_mean_tokens": False,
}


def write(folder: Path, pooling: Any, *more: str) -> Path:
    kinds = ["models.Transformer", "models.Pooling", *more]
    modules = [
        {"type": f"x.{kind}", "path": "1_Pooling" if "Pooling" in kind else ""} for kind in kinds
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        (OLD, "first"),
        ({**OLD, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode": "cls"}, "first"),
        ({"pooling_mode": ["mean"]}, "mean"),
    ],
)
def test_pooling_is_read(tmp_path: Path, pooling: Any, expected: str) -> None:
    assert read_pooling(write(tmp_path, pooling, "models.Normalize")) == expected


def test_another_folder_has_the_mean(tmp_path: Path) -> None:
    assert read_pooling(tmp_path) == "mean"


@pytest.mark.parametrize(
    ("pooling", "more", "message"),
    [
        ({"pooling_mode": "lasttoken"}, (), r"its pooling is lasttoken"),
        ({**OLD, "pooling_mode_mean_tokens": True}, (), "cls_token and pooling_mode_mean_tokens"),
        ({}, (), "its pooling is none"),
        ([], (), "is not a JSON dict"),
        ({"pooling_mode": "mean"}, ("models.Dense",), "has a module Dense"),
    ],
)
def test_what_is_not_supported_is_refused(
    tmp_path: Path, pooling: Any, more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        read_pooling(write(tmp_path, pooling, *more))
