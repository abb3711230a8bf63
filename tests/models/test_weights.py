"""Pickles and TorchScript archives are refused as weights without being read."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper, load, save

from agents.pipeline.parts import load_agent
from models.base import Model, ModelError
from models.detection.onnx_detector import OnnxDetector
from models.nlu.intent_classifier import IntentClassifier
from models.nlu.pretrained import find_folder, read_config
from models.nlu.sequence_classifier import HuggingFaceClassifier
from models.tabular import OnnxTabular
from models.weights import refuse_pickle
from streams.settings import AgentSettings, ModelSettings
from tests.models.detection.tiny_onnx import write_brightness_detector
from tests.models.linear_onnx import save_linear
from tests.models.nlu.tiny_bert import write_bert


class Trap:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def write_pickle(path: Path, trace: Path) -> None:
    path.write_bytes(pickle.dumps(Trap(trace)))


def write_torch(path: Path, trace: Path) -> None:
    torch.save({"weights": Trap(trace)}, path)


def write_old_torch(path: Path, trace: Path) -> None:
    torch.save({"weights": Trap(trace)}, path, _use_new_zipfile_serialization=False)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    return tmp_path / "code-was-run"


WRITERS = pytest.mark.parametrize("write", [write_pickle, write_torch, write_old_torch])
Write = Callable[[Path, Path], None]


@WRITERS
def test_the_test_pickles_run_code_when_they_are_read(
    tmp_path: Path, trace: Path, write: Write
) -> None:
    write(tmp_path / "trap", trace)
    if write is write_pickle:
        pickle.loads((tmp_path / "trap").read_bytes())
    else:
        torch.load(tmp_path / "trap", weights_only=False)
    assert trace.exists()


@WRITERS
@pytest.mark.parametrize("name", ["model.onnx", "model.pt", "weights", "model.safetensors"])
def test_a_pickle_is_recognized_by_its_content_under_any_name(
    tmp_path: Path, trace: Path, write: Write, name: str
) -> None:
    write(tmp_path / name, trace)
    with pytest.raises(ModelError, match=r"is a pickle, which can run code.*convert it once"):
        refuse_pickle(tmp_path / name)
    assert not trace.exists()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("m.pt", "onnx.export"),
        ("m.PTH", "save_pretrained"),
        ("m.bin", "onnx.export"),
        ("m.ckpt", "onnx.export"),
        ("m.pkl", "skl2onnx"),
        ("m.joblib", "skl2onnx"),
    ],
)
def test_the_hint_says_how_to_convert(name: str, how: str) -> None:
    with pytest.raises(ModelError, match=how) as caught:
        refuse_pickle(Path("models") / name)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")  # PyTorch's own, that TorchScript is going away
def test_torchscript_is_refused(tmp_path: Path) -> None:
    traced = torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))  # type: ignore[no-untyped-call]
    torch.jit.save(traced, tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="is a pickle"):
        refuse_pickle(tmp_path / "m.onnx")


def test_other_files_than_pickles_pass(tmp_path: Path) -> None:
    write_brightness_detector(tmp_path / "good.onnx")
    (tmp_path / "folder.bin").mkdir()
    for path in (tmp_path / "good.onnx", tmp_path / "folder.bin", tmp_path / "absent.onnx"):
        refuse_pickle(path)
    np.savez(tmp_path / "arrays.npz", a=np.zeros(2))
    refuse_pickle(tmp_path / "arrays.npz")


@WRITERS
@pytest.mark.parametrize("suffix", ["pt", "onnx"])
def test_models_refuse_a_pickle_at_load(
    tmp_path: Path, trace: Path, write: Write, suffix: str
) -> None:
    path = tmp_path / f"model.{suffix}"
    write(path, trace)
    models: list[Model[Any, Any]] = [
        OnnxDetector(path=str(path)),
        OnnxTabular(path=str(path), features=["a"]),
        IntentClassifier(encoder=str(path)),
        IntentClassifier(head=str(path)),
        HuggingFaceClassifier(path=str(path)),
    ]
    for model in models:
        with pytest.raises(ModelError, match="is a pickle"):
            model.load()
    assert not trace.exists()


@pytest.mark.parametrize("name", ["./model.pt", "./model.joblib", "./model.onnx"])
def test_a_pipeline_file_that_names_a_pickle_is_refused_at_once(
    tmp_path: Path, trace: Path, name: str
) -> None:
    write_pickle(tmp_path / name, trace)
    settings = AgentSettings(
        input="a", output="b", event="SensorReading", model=ModelSettings(name=name)
    )
    with pytest.raises(ModelError, match="is a pickle"):
        load_agent(settings, tmp_path)
    assert not trace.exists()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bert(tmp_path, "BertForSequenceClassification", 0)


def test_a_folder_with_only_a_pickle_is_refused(folder: Path, trace: Path) -> None:
    (folder / "model.safetensors").unlink()
    write_torch(folder / "pytorch_model.bin", trace)
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle.*save_pretrained"):
        HuggingFaceClassifier(path=str(folder)).load()
    assert not trace.exists()


def test_a_pickle_beside_safetensors_is_never_read(folder: Path, trace: Path) -> None:
    write_torch(folder / "pytorch_model.bin", trace)
    HuggingFaceClassifier(path=str(folder)).load()
    assert not trace.exists()


def test_a_config_that_names_a_pickle_is_refused(folder: Path, trace: Path) -> None:
    write_torch(folder / "adapter_model.bin", trace)
    config = json.loads((folder / "config.json").read_text())
    config["transformers_weights"] = "adapter_model.bin"  # which transformers would read
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json names the weights file 'adapter_model"):
        HuggingFaceClassifier(path=str(folder)).load()
    assert not trace.exists()


@pytest.mark.parametrize("name", ["shard.bin", "../shard.safetensors", "/shard.safetensors", 7])
def test_an_index_that_names_other_files_is_refused(folder: Path, name: object) -> None:
    index = {"metadata": {}, "weight_map": {"bert.embeddings.word_embeddings.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="names the weights file"):
        read_config(folder)


def test_an_index_of_shards_is_read(folder: Path) -> None:
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    HuggingFaceClassifier(path=str(folder)).load()


def test_an_adapter_is_refused(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="merge_and_unload"):
        read_config(folder)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    shutil.copy(__file__, tmp_path / "model.py")
    with pytest.raises(ModelError, match="expected the folder"):
        find_folder(str(tmp_path / "model.py"))


def external(tensor: TensorProto, location: str, size: int) -> TensorProto:
    """Return the tensor with its numbers in another file."""
    moved = TensorProto()
    moved.CopyFrom(tensor)
    moved.ClearField("raw_data")
    moved.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(size))):
        moved.external_data.add(key=key, value=value)
    return moved


def as_initializer(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.initializer.append(tensor)


def as_constant(model: ModelProto, tensor: TensorProto) -> None:
    model.graph.node.insert(0, helper.make_node("Constant", [], [tensor.name], value=tensor))


def in_a_branch(model: ModelProto, tensor: TensorProto) -> None:
    """Move the graph's product into a branch that has the weights."""
    product = next(node for node in model.graph.node if node.op_type == "MatMul")
    inner = GraphProto(name="branch")
    inner.node.add(op_type="MatMul", input=product.input, output=["inner"])
    inner.output.append(helper.make_tensor_value_info("inner", TensorProto.FLOAT, ["B", 2]))
    inner.initializer.append(tensor)
    model.graph.initializer.append(helper.make_tensor("true", TensorProto.BOOL, [], [True]))
    output = product.output[0]
    product.Clear()
    product.op_type = "If"
    product.input.append("true")
    product.output.append(output)
    for name in ("then_branch", "else_branch"):
        product.attribute.add(name=name, type=AttributeProto.GRAPH, g=inner)


@pytest.mark.parametrize("place", [as_initializer, as_constant, in_a_branch])
@pytest.mark.parametrize("location", ["weights.data", "../weights.data", "absolute", "link.data"])
def test_external_data_outside_of_the_models_folder_is_refused(
    tmp_path: Path, place: Callable[[ModelProto, TensorProto], None], location: str
) -> None:
    outside, inside = tmp_path / "weights.data", tmp_path / "model" / "weights.data"
    inside.parent.mkdir()
    path = inside.with_name("m.onnx")
    model = load(save_linear(path))
    (weights,) = (t for t in model.graph.initializer if t.name == "w")
    for file in (inside, outside):
        file.write_bytes(weights.raw_data)
    inside.with_name("link.data").symlink_to(outside)
    model.graph.initializer.remove(weights)
    location = str(outside) if location == "absolute" else location
    place(model, external(weights, location, len(weights.raw_data)))
    save(model, path)

    tabular = OnnxTabular(path=str(path), features=["a", "b"])
    if location == "weights.data":
        tabular.load()
        assert tabular._run(np.array([[1, 1]], np.float32)) == [{"y": [11.0, 22.0], "total": 33.0}]
        return
    with pytest.raises(ModelError, match="so it is not read") as caught:
        tabular.load()
    assert "\n" not in str(caught.value)


def test_the_error_names_absent_external_data(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    model = load(save_linear(path))
    (weights,) = (t for t in model.graph.initializer if t.name == "w")
    model.graph.initializer.remove(weights)
    model.graph.initializer.append(external(weights, "m.data", 16))
    save(model, path)
    with pytest.raises(ModelError, match="copy it beside the model"):
        OnnxTabular(path=str(path), features=["a", "b"]).load()
