from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from models.base import ModelError
from models.nlu.model_files import find_model
from models.nlu.onnx_export import export_onnx
from tests.models.nlu.conftest import SaveOnnx


def test_the_folder_has_all_that_loading_needs(save_onnx: SaveOnnx) -> None:
    folder, out = save_onnx("sequence")
    names = {path.name for path in out.iterdir()}
    assert {"model.onnx", "config.json", "tokenizer.json"} <= names
    assert (out / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_the_file_names_no_path_of_the_machine(save_onnx: SaveOnnx) -> None:
    _, out = save_onnx("encoder")
    content = (out / "model.onnx").read_bytes()
    assert str(Path(__file__).parents[3]).encode() not in content
    shapes = [
        [dim.dim_value for dim in node.type.tensor_type.shape.dim]
        for node in onnx.load(out / "model.onnx").graph.input
    ]
    assert shapes == [[0, 0], [0, 0]]  # open


def test_an_onnx_folder_is_not_exported_again(save_onnx: SaveOnnx, tmp_path: Path) -> None:
    _, out = save_onnx("encoder")
    with pytest.raises(ModelError, match="is an ONNX file already"):
        export_onnx(find_model(str(out)), tmp_path, "encoder")
