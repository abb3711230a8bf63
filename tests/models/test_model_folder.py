from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.model_folder import served_by


def declare(folder: Path, declared: Any) -> Path:
    (folder / "config.json").write_text(json.dumps({"penstock": declared}))
    return folder


def test_files_are_found_in_the_folder(tmp_path: Path) -> None:
    declared = {"model": "onnx_segmenter", "files": {"path": "m.onnx"}, "options": {"threads": 1}}
    name, options = served_by(declare(tmp_path, declared)) or ("", {})
    assert name == "onnx_segmenter"
    assert options == {"path": str(tmp_path / "m.onnx"), "threads": 1}


def test_a_folder_that_declares_nothing(tmp_path: Path) -> None:
    assert served_by(tmp_path) is None
    (tmp_path / "config.json").write_text("{}")
    assert served_by(tmp_path) is None


@pytest.mark.parametrize("declared", [[], {"files": {}}, {"model": "m", "files": 3}])
def test_a_declaration_that_can_not_be_read(tmp_path: Path, declared: Any) -> None:
    with pytest.raises(ModelError, match="can't be read"):
        served_by(declare(tmp_path, declared))


def test_a_file_among_the_options_is_refused(tmp_path: Path) -> None:
    declared = {"model": "onnx_detector", "options": {"labels": "/etc/passwd"}}
    with pytest.raises(ModelError, match="labels is a file: name it in `files`"):
        served_by(declare(tmp_path, declared))


@pytest.mark.parametrize("file", ["../other.onnx", "/etc/passwd"])
def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(ModelError, match="outside of the folder"):
        served_by(declare(tmp_path, {"model": "m", "files": {"path": file}}))
