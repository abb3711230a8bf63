"""A model's version follows the content of its files, for every registered model that reads some.

Online models and the shipped ones have no file that a user brings: they are not in `FILE_OPTIONS`.
"""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from safetensors.numpy import load_file, save_file

from models.registry import make_model, model_class
from tests.models.contract import FILE_OPTIONS
from tests.models.test_weights import external

NAMES = pytest.mark.parametrize("name", sorted(FILE_OPTIONS))


def version_in(folder: Path, name: str, change: str = "") -> str:
    """Write the model's files to a new folder, change them, load them; return the version."""
    folder.mkdir(parents=True)
    options = FILE_OPTIONS[name](folder)
    if change:
        CHANGES[change](folder)
    model = make_model(model_class(name), options)
    model.load("cpu")
    version = model.version
    model.close()
    return version


def move_weights_beside(path: Path) -> None:
    """Move the weights of an ONNX file to NAME.data beside it."""
    model, data = onnx.load(path), b""
    for tensor in weights_of(model):
        content = onnx.numpy_helper.to_array(tensor).tobytes()
        moved = external(tensor, f"{path.stem}.data", len(content))
        moved.external_data[1].value = str(len(data))
        tensor.CopyFrom(moved)
        data += content
    path.with_suffix(".data").write_bytes(data)
    onnx.save(model, path)


def weights_of(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Return the tensors of floats; those of integers, such as axes, have to stay in the graph."""
    return [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT]


def change_weights(folder: Path) -> None:
    """Change one weight in each file of weights."""
    for path in folder.glob("*.onnx"):
        model = onnx.load(path)
        tensor = weights_of(model)[0]
        array = onnx.numpy_helper.to_array(tensor).copy()
        array.flat[-1] += 1
        tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
        onnx.save(model, path)
    for path in folder.glob("*.safetensors"):
        arrays = {key: value.copy() for key, value in load_file(path).items()}
        key = max(k for k, value in arrays.items() if value.dtype.kind == "f")
        arrays[key].flat[-1] += 1
        save_file(arrays, path, metadata={"format": "pt"})


def change_weights_beside(folder: Path) -> None:
    """Change one weight and move all beside the graph, which is then as for the old weights."""
    change_weights(folder)
    keep_weights_beside(folder)


def change_config(folder: Path) -> None:
    """Rename a class in config.json."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["id2label"]["0"] = "renamed"
    config["label2id"] = {label: int(index) for index, label in config["id2label"].items()}
    path.write_text(json.dumps(config))


def keep_weights_beside(folder: Path) -> None:
    """Move the weights beside the graph, unchanged."""
    for path in folder.glob("*.onnx"):
        move_weights_beside(path)


CHANGES = {
    "weights beside": keep_weights_beside,
    "weights": change_weights,
    "other weights beside": change_weights_beside,
    "config": change_config,
}


@NAMES
def test_equal_files_in_another_folder_are_the_same_version(name: str, tmp_path: Path) -> None:
    assert version_in(tmp_path / "a", name) == version_in(tmp_path / "elsewhere" / "b", name)


@NAMES
def test_other_weights_are_another_version(name: str, tmp_path: Path) -> None:
    assert version_in(tmp_path / "a", name) != version_in(tmp_path / "b", name, "weights")


@pytest.mark.parametrize("name", sorted(n for n in FILE_OPTIONS if n.startswith("onnx_")))
def test_other_weights_beside_an_equal_graph_are_another_version(name: str, tmp_path: Path) -> None:
    first = version_in(tmp_path / "a", name, "weights beside")
    second = version_in(tmp_path / "b", name, "other weights beside")
    graphs = [next((tmp_path / folder).glob("*.onnx")).read_bytes() for folder in "ab"]
    assert graphs[0] == graphs[1]
    assert first != second


@pytest.mark.parametrize("name", ["huggingface_classifier", "image_classifier", "image_segmenter"])
def test_other_classes_in_the_config_are_another_version(name: str, tmp_path: Path) -> None:
    assert version_in(tmp_path / "a", name) != version_in(tmp_path / "b", name, "config")


#: An option that changes answers, for each stateless model.
ANSWER_OPTIONS: dict[str, dict[str, object]] = {
    "onnx_detector": {"score_threshold": 0.9},
    "onnx_classifier": {"labels": ["a", "b", "c", "d"]},
    "image_classifier": {"top_k": 1},
    "onnx_segmenter": {"background": 0},
    "image_segmenter": {"max_pixels": 100},
    "onnx_tabular": {"features": ["pressure_bar", "flow_l_min"]},
    "huggingface_classifier": {"min_score": 0.9},
    "huggingface_entities": {"min_score": 0.9},
    "tacotron2": {"seed": 5},
}


@NAMES
def test_other_options_are_another_version(name: str, tmp_path: Path) -> None:
    """Every registered model is made by `make_model`: one with new options is covered as well."""
    options = FILE_OPTIONS[name](tmp_path)
    changed = {**options, **ANSWER_OPTIONS.get(name, {})}
    if changed == options:
        return  # it has no such option
    versions = []
    for given in (options, changed):
        model = make_model(model_class(name), given)
        model.load("cpu")
        versions.append(model.version)
        model.close()
    assert versions[0] != versions[1]
