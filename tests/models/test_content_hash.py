"""A model's version changes with its weights, wherever an ONNX file keeps them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, TensorProto, load, save

from models.base import ModelError
from models.content_hash import content_version, external_files, folder_version
from models.tabular import OnnxTabular
from tests.models.linear_onnx import save_linear
from tests.models.test_weights import as_constant, as_initializer, external, in_a_branch

PLACES = pytest.mark.parametrize("place", [as_initializer, as_constant, in_a_branch])
Place = Callable[[ModelProto, TensorProto], None]


def write_with_weights_beside(folder: Path, place: Place, factor: int = 1) -> Path:
    """Write a linear model whose weights lie in m.data; the graph is the same for all factors."""
    folder.mkdir(exist_ok=True)
    path = folder / "m.onnx"
    model = load(save_linear(path))
    (weights,) = (t for t in model.graph.initializer if t.name == "w")
    values = onnx.numpy_helper.to_array(weights) * factor
    (folder / "m.data").write_bytes(values.astype("float32").tobytes())
    model.graph.initializer.remove(weights)
    place(model, external(weights, "m.data", len(weights.raw_data)))
    save(model, path)
    return path


@PLACES
def test_other_weights_beside_an_equal_graph_are_another_version(
    tmp_path: Path, place: Place
) -> None:
    first = write_with_weights_beside(tmp_path / "a", place)
    second = write_with_weights_beside(tmp_path / "b", place, factor=2)
    again = write_with_weights_beside(tmp_path / "c", place)
    assert first.read_bytes() == second.read_bytes()
    assert [f.name for f in external_files(first)] == ["m.data"]
    assert content_version(first) == content_version(again) != content_version(second)


def test_models_carry_that_version(tmp_path: Path) -> None:
    versions = []
    for folder, factor in (("a", 1), ("b", 2)):
        path = write_with_weights_beside(tmp_path / folder, as_initializer, factor)
        model = OnnxTabular(path=str(path), features=["a", "b"])
        model.load()
        versions.append(model.version)
    assert versions[0] != versions[1]


def test_without_weights_beside_it_is_the_hash_of_the_file(tmp_path: Path) -> None:
    path = Path(save_linear(tmp_path / "m.onnx"))
    assert content_version(path) == hashlib.sha256(path.read_bytes()).hexdigest()[:12]


@pytest.mark.parametrize("content", [b"", b"no protobuf at all", b"\x3a\xff\xff\xff\x7f", b"\x3a"])
def test_a_file_that_is_no_onnx_model_is_hashed_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert content_version(path) == hashlib.sha256(content).hexdigest()[:12]


def test_files_outside_of_the_folder_are_not_read(tmp_path: Path) -> None:
    path = write_with_weights_beside(tmp_path / "a", as_initializer)
    model = load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../m.data"
    save(model, path)
    (tmp_path / "m.data").write_bytes(b"x")
    assert external_files(path) == []


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="correct the model's path"):
        content_version(tmp_path / "absent.onnx")


def test_a_folder_is_all_of_its_weights_and_settings(tmp_path: Path) -> None:
    versions = set()
    for name in ("a.safetensors", "b.safetensors", "config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes(b"1")
        versions.add(folder_version(tmp_path))
        (tmp_path / name).write_bytes(b"2")
        versions.add(folder_version(tmp_path))
    assert len(versions) == 8
    (tmp_path / "README.md").write_text("decides nothing")
    assert folder_version(tmp_path) in versions


def test_a_file_of_weights_is_read_without_its_neighbors(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_text(name)
    first = folder_version(tmp_path, tmp_path / "a.safetensors")
    assert first != folder_version(tmp_path, tmp_path / "b.safetensors")
    (tmp_path / "b.safetensors").write_text("other")
    assert first == folder_version(tmp_path, tmp_path / "a.safetensors")
