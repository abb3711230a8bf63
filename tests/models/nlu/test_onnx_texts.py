"""ONNX files of text models give the answers of the safetensors that they were exported from."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from models.base import Model, ModelError
from models.nlu.encoder import SentenceEncoder
from models.nlu.entity_encoder import EntityEncoder
from models.nlu.sequence_classifier import HuggingFaceClassifier
from models.nlu.token_classifier import HuggingFaceEntities
from schemas import NluResult, TextEntities, TextMessage
from tests.models.contract import assert_alike
from tests.models.nlu.conftest import SaveOnnx

TEXTS = ["hello", "where is my order", "thanks " * 90, "my money is the balance", "a"]
TOLERANCE = 1e-4


def answers(model: Model[Any, Any]) -> list[Any]:
    model.load()
    results = [*model.predict_batch([TextMessage(text=text) for text in TEXTS])]
    model.close()
    return results


def vectors(source: Path) -> np.ndarray[Any, Any]:
    encoder = SentenceEncoder(str(source))
    encoder.load()
    return encoder.encode(TEXTS)


def edited(out: Path, to: Path, change: Any) -> Path:
    """Copy an exported folder and change its graph."""
    shutil.copytree(out, to)
    model = onnx.load(to / "model.onnx")
    change(model)
    onnx.save(model, to / "model.onnx")
    return to


def with_half_output(model: onnx.ModelProto) -> None:
    """Let the output be float16, as that of a file converted to half precision."""
    output = model.graph.output[0]
    for node in model.graph.node:
        node.output[:] = ["full" if name == output.name else name for name in node.output]
        node.input[:] = ["full" if name == output.name else name for name in node.input]
    half = onnx.TensorProto.FLOAT16
    model.graph.node.append(onnx.helper.make_node("Cast", ["full"], [output.name], to=half))
    output.type.tensor_type.elem_type = half


def with_renamed_output(model: onnx.ModelProto) -> None:
    old = model.graph.output[0].name
    for node in model.graph.node:
        node.output[:] = ["other" if name == old else name for name in node.output]
    model.graph.output[0].name = "other"


def with_fixed_batch(model: onnx.ModelProto) -> None:
    del model.graph.value_info[:]
    for node in [*model.graph.input, *model.graph.output]:
        node.type.tensor_type.shape.dim[0].dim_value = 4


def with_unknown_input(model: onnx.ModelProto) -> None:
    extra = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.INT64, ["b", "n"])
    model.graph.input.append(extra)


@pytest.mark.parametrize("inputs", [(), ("token_type_ids",), ("token_type_ids", "position_ids")])
def test_vectors_equal_those_of_torch(save_onnx: SaveOnnx, inputs: tuple[str, ...]) -> None:
    folder, out = save_onnx("encoder", *inputs)
    assert not any(out.glob("*.safetensors"))
    expected = vectors(folder)
    np.testing.assert_allclose(vectors(out), expected, atol=TOLERANCE)
    assert np.abs(expected[0] - expected[1]).max() > 0.01  # the texts are told apart


def test_classes_equal_those_of_torch(save_onnx: SaveOnnx) -> None:
    folder, out = save_onnx("sequence")
    expected = answers(HuggingFaceClassifier(str(folder)))
    actual = answers(HuggingFaceClassifier(str(out)))
    assert all(isinstance(answer, NluResult) for answer in expected)
    assert_alike(actual, expected, TOLERANCE)
    assert_alike(answers(HuggingFaceClassifier(str(out / "model.onnx"))), expected, TOLERANCE)


def test_entities_equal_those_of_torch(save_onnx: SaveOnnx) -> None:
    folder, out = save_onnx("tokens")
    expected = answers(HuggingFaceEntities(str(folder)))
    assert any(isinstance(answer, TextEntities) and answer.entities for answer in expected)
    assert_alike(answers(HuggingFaceEntities(str(out))), expected, TOLERANCE)


def test_hidden_states_of_the_last_layer_equal_those_of_torch(save_onnx: SaveOnnx) -> None:
    rows = []
    for folder in save_onnx("encoder"):
        encoder = EntityEncoder(str(folder), 64, 16, 4)
        encoder.load("cpu", [2])
        rows.append(np.concatenate(encoder.encode_prepared(encoder.prepare(TEXTS))))
    np.testing.assert_allclose(rows[1], rows[0], atol=TOLERANCE)


def test_a_head_that_reads_another_layer_is_refused(save_onnx: SaveOnnx) -> None:
    _, out = save_onnx("encoder")
    with pytest.raises(ModelError, match=r"reads the layers 1, 2 .* only the last, 2"):
        EntityEncoder(str(out), 64, 16, 4).load("cpu", [1, 2])


def test_a_half_precision_output_is_read(save_onnx: SaveOnnx, tmp_path: Path) -> None:
    folder, out = save_onnx("encoder")
    half = edited(out, tmp_path / "half", with_half_output)
    actual = vectors(half)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, vectors(folder), atol=2e-3)
    _, classes = save_onnx("sequence")
    half = edited(classes, tmp_path / "classes", with_half_output)
    expected = answers(HuggingFaceClassifier(str(classes)))
    assert_alike(answers(HuggingFaceClassifier(str(half))), expected, 5e-3)


def test_the_only_fitting_output_is_read_whatever_its_name(
    save_onnx: SaveOnnx, tmp_path: Path
) -> None:
    _, out = save_onnx("encoder")
    other = edited(out, tmp_path / "other", with_renamed_output)
    np.testing.assert_allclose(vectors(other), vectors(out), atol=TOLERANCE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_fixed_batch, r"input_ids has the fixed shape .*dynamic axes"),
        (with_unknown_input, r"has the input pixels: a text model reads input_ids"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    save_onnx: SaveOnnx, tmp_path: Path, change: Any, message: str
) -> None:
    _, out = save_onnx("encoder")
    with pytest.raises(ModelError, match=message):
        vectors(edited(out, tmp_path / "changed", change))


def test_a_file_of_another_task_is_refused(save_onnx: SaveOnnx, tmp_path: Path) -> None:
    _, encoder = save_onnx("encoder")
    _, classes = save_onnx("sequence")
    shutil.copytree(classes, tmp_path / "mixed")
    shutil.copy(encoder / "model.onnx", tmp_path / "mixed")
    with pytest.raises(ModelError, match=r"outputs are last_hidden_state .*expected logits"):
        answers(HuggingFaceClassifier(str(tmp_path / "mixed")))
    _, tokens = save_onnx("tokens")
    shutil.copy(tokens / "model.onnx", tmp_path / "mixed")
    config = tmp_path / "mixed" / "config.json"
    text = config.read_text().replace("ForSequenceClass", "ForTokenClass").replace("angry", "O")
    config.write_text(text.replace('"2": "glad"', '"2": "glad", "3": "sad"'))
    with pytest.raises(ModelError, match=r"is \[2, 3, 3\] .* should be \[2, 3, 4\]"):
        answers(HuggingFaceEntities(str(tmp_path / "mixed")))


def test_the_version_follows_the_data_beside_the_file(save_onnx: SaveOnnx, tmp_path: Path) -> None:
    _, out = save_onnx("sequence")
    versions = []
    for name, step in (("a", 0.0), ("b", 0.5), ("c", 0.0)):
        shutil.copytree(out, tmp_path / name)
        path = tmp_path / name / "model.onnx"
        model = onnx.load(path)
        weights = next(t for t in model.graph.initializer if t.data_type == 1 and len(t.dims) == 2)
        array = onnx.numpy_helper.to_array(weights).copy()
        array.flat[0] += step
        weights.CopyFrom(onnx.numpy_helper.from_array(array, weights.name))
        onnx.save(
            model, path, save_as_external_data=True, location="weights.bin", size_threshold=1024
        )
        loaded = HuggingFaceClassifier(str(tmp_path / name))
        loaded.load()
        versions.append(loaded.version)
    assert versions[0] == versions[2] != versions[1]
    graphs = [(tmp_path / name / "model.onnx").read_bytes() for name in "ab"]
    assert graphs[0] == graphs[1]


def test_the_version_follows_the_tokenizer(save_onnx: SaveOnnx, tmp_path: Path) -> None:
    _, out = save_onnx("sequence")
    shutil.copytree(out, tmp_path / "other")
    path = tmp_path / "other" / "tokenizer_config.json"
    path.write_text(path.read_text() + " ")
    versions = set()
    for folder in (out, tmp_path / "other"):
        model = HuggingFaceClassifier(str(folder))
        model.load()
        versions.add(model.version)
    assert len(versions) == 2
