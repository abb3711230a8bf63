from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from models.base import ModelError
from models.classification.onnx_classifier import OnnxClassifier
from schemas import Classification, InputError, VideoFrame
from tests.models.contract import events_for
from tests.models.vision.tiny_files import save, write_onnx_classifier, write_preprocessor

NAMES = ["ape", "bee", "cow", "dog"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_preprocessor(tmp_path)
    return tmp_path


def _load(path: Path, **options: Any) -> OnnxClassifier:
    model = OnnxClassifier(path=str(path), **options)
    model.load("cpu")
    return model


def _frames(count: int) -> list[VideoFrame]:
    return [event for event in events_for(VideoFrame, count) if isinstance(event, VideoFrame)]


@pytest.mark.parametrize("batch", ["batch", 1, 3])
@pytest.mark.parametrize("is_softmax", [False, True])
@pytest.mark.parametrize("is_channels_last", [False, True])
def test_answers_are_those_of_a_plain_reference(
    folder: Path, batch: int | str, is_softmax: bool, is_channels_last: bool
) -> None:
    path = folder / "m.onnx"
    write_onnx_classifier(
        path, batch=batch, is_softmax=is_softmax, is_channels_last=is_channels_last
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    frames = _frames(7)
    for frame, answer in zip(frames, _load(path, labels=NAMES).predict_batch(frames), strict=True):
        assert isinstance(answer, Classification)
        image = Image.open(io.BytesIO(frame.image)).resize((32, 32), Image.Resampling.BILINEAR)
        row = np.array(image, np.float32)[None] / 127.5 - 1
        row = row if is_channels_last else row.transpose(0, 3, 1, 2)
        rows = np.repeat(row, 1 if isinstance(batch, str) else batch, axis=0)
        (scores,) = session.run(None, {"pixels": rows})
        expected = scores[0] if is_softmax else np.exp(scores[0]) / np.exp(scores[0]).sum()
        order = np.argsort(-expected)
        assert [t.label for t in answer.top] == [NAMES[i] for i in order]
        assert [t.score for t in answer.top] == pytest.approx(expected[order], abs=1e-4)
        assert (answer.label, answer.class_id, answer.score) == (
            answer.top[0].label,
            answer.top[0].class_id,
            answer.top[0].score,
        )


def test_uint8_input_needs_no_normalization(tmp_path: Path) -> None:
    write_onnx_classifier(tmp_path / "m.onnx", element=TensorProto.UINT8)
    (answer,) = _load(tmp_path / "m.onnx", num_classes=4, top_k=2).predict_batch(_frames(1))
    assert isinstance(answer, Classification)
    assert [top.label for top in answer.top] == [f"class {top.class_id}" for top in answer.top]
    assert len(answer.top) == 2


def test_unknown_normalization_is_an_error_that_lists_the_usual_ones(tmp_path: Path) -> None:
    write_onnx_classifier(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match=r"nothing says how it expects gray levels.*0\.485.*0\.5"):
        _load(tmp_path / "m.onnx", labels=NAMES)


def test_scores_and_vectors_can_not_be_told_apart_without_labels(folder: Path) -> None:
    write_onnx_classifier(folder / "m.onnx")
    with pytest.raises(ModelError, match=r"class scores, or the vector of an encoder.*num_classes"):
        _load(folder / "m.onnx")
    write_onnx_classifier(folder / "m.onnx", is_softmax=True)
    assert _load(folder / "m.onnx").predict_batch(_frames(1))


def test_what_is_no_classifier_is_refused_with_its_outputs(folder: Path) -> None:
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 32, 32])
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", 3, 1024])
    shape = np.array([0, 3, 1024])
    node = helper.make_node("Reshape", ["pixels", "shape"], ["boxes"])
    save(folder / "m.onnx", [node], pixels, [boxes], {"shape": shape})
    with pytest.raises(ModelError, match=r"not a classifier: its outputs are boxes: \['batch', 3"):
        _load(folder / "m.onnx", labels=NAMES)


def test_several_possible_outputs_are_listed(folder: Path) -> None:
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 3, 32, 32])
    names = ("age", "kind")
    outputs = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", 3]) for n in names]
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], [name], keepdims=0) for name in names
    ]
    save(folder / "m.onnx", nodes, pixels, outputs, {"axes": np.array([2, 3])})
    with pytest.raises(ModelError, match=r"2 outputs may be the class scores.*age, kind"):
        _load(folder / "m.onnx", num_classes=3)
    assert _load(folder / "m.onnx", num_classes=3, output="kind").predict_batch(_frames(1))


def test_a_bad_frame_hurts_only_itself(folder: Path) -> None:
    write_onnx_classifier(folder / "m.onnx")
    good = _frames(2)
    answers = _load(folder / "m.onnx", labels=NAMES).predict_batch(
        [good[0], VideoFrame(image=b"not a picture"), good[1]]
    )
    assert [isinstance(answer, InputError) for answer in answers] == [False, True, False]


@pytest.mark.parametrize(
    "options",
    [{"top_k": 0}, {"activation": "relu"}, {"mean": [0.5]}, {"resize": "pad"}, {"input_size": 0}],
)
def test_bad_options_are_refused_before_anything_is_loaded(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        OnnxClassifier(path="absent.onnx", **options)
