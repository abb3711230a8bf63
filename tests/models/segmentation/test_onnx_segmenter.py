from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from models.base import ModelError
from models.segmentation.evaluate import classes_of
from models.segmentation.onnx_segmenter import OnnxSegmenter
from schemas import InputError, Segmentation, VideoFrame
from tests.models.vision.tiny_files import (
    write_onnx_classifier,
    write_onnx_segmenter,
    write_preprocessor,
)


def _frame(pixels: np.ndarray) -> VideoFrame:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "png")
    return VideoFrame(image=file.getvalue())


def _halves() -> np.ndarray:
    """Left half red, right half blue."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48, 0] = pixels[:, 48:, 2] = 200
    return pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_preprocessor(tmp_path)
    return tmp_path


def _load(path: Path, **options: Any) -> OnnxSegmenter:
    model = OnnxSegmenter(path=str(path), **options)
    model.load("cpu")
    return model


@pytest.mark.parametrize("is_argmax", [False, True])
@pytest.mark.parametrize("batch", ["batch", 1, 2])
def test_regions_are_in_pixels_of_the_frame(
    folder: Path, is_argmax: bool, batch: int | str
) -> None:
    write_onnx_segmenter(folder / "m.onnx", batch=batch, is_argmax=is_argmax)
    model = _load(folder / "m.onnx", labels=["red", "green", "blue"])
    answers = model.predict_batch([_frame(_halves())] * 3)
    for answer in answers:
        assert isinstance(answer, Segmentation)
        assert (answer.width, answer.height) == (96, 64)
        assert [(r.label, r.class_id, r.score) for r in answer.regions] == [
            ("red", 0, None),
            ("blue", 2, None),
        ]
        assert answer.regions[0].box == (0, 0, 48, 64)
        assert answer.regions[0].area == 48 * 64
        assert (classes_of(answer) == np.where(np.arange(96) < 48, 0, 2)).all()


def test_the_background_is_left_out(folder: Path) -> None:
    write_onnx_segmenter(folder / "m.onnx")
    model = _load(folder / "m.onnx", labels=["red", "green", "blue"], background="red")
    (answer,) = model.predict_batch([_frame(_halves())])
    assert isinstance(answer, Segmentation)
    assert [region.label for region in answer.regions] == ["blue"]
    with pytest.raises(ModelError, match="background 'sky' is no label: red, green, blue"):
        _load(folder / "m.onnx", labels=["red", "green", "blue"], background="sky")


def test_a_bad_frame_hurts_only_itself(folder: Path) -> None:
    write_onnx_segmenter(folder / "m.onnx")
    good = _frame(_halves())
    answers = _load(folder / "m.onnx").predict_batch([VideoFrame(image=b"GIF89a"), good, good])
    assert isinstance(answers[0], InputError)
    assert answers[1] == answers[2]
    assert isinstance(answers[1], Segmentation)


def test_a_classifier_is_refused_with_its_outputs(folder: Path) -> None:
    write_onnx_classifier(folder / "m.onnx")
    with pytest.raises(ModelError, match=r"not a segmentation network: its outputs are logits"):
        _load(folder / "m.onnx")


def test_labels_must_be_as_many_as_the_classes(folder: Path) -> None:
    write_onnx_segmenter(folder / "m.onnx")
    with pytest.raises(ModelError, match="has 3 classes, but there are 2 labels"):
        _load(folder / "m.onnx", labels=["a", "b"])
