"""Every layout agrees with a plain detector for one picture, in batches of mixed frame sizes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from models.detection.layouts import LAYOUTS
from models.detection.onnx_detector import OnnxDetector
from schemas import Detection, Detections, VideoFrame
from tests.models.detection.layouts.families import FAMILIES
from tests.models.detection.layouts.plain import Box, Family, colored_frame, detect, iou

_NUM_FRAMES = 32
#: Those whose file can hold any batch: the others give rows without a batch axis.
BATCHED = [f for f in FAMILIES if f.name not in ("yolo_nas_flat", "ssd_torchvision")]


FRAMES = [colored_frame(seed) for seed in range(_NUM_FRAMES)]


def loaded(path: Path, **options: Any) -> OnnxDetector:
    detector = OnnxDetector(path=str(path), threads=1, **options)
    detector.load("cpu")
    return detector


def is_same(found: Detection, box: Box) -> bool:
    return (
        found.class_id == box.class_id
        and found.score == pytest.approx(box.score, abs=1e-3)
        and iou(found.box, box[:4]) > 0.99
    )


def require_agreement(family: Family, path: Path, batch_size: int) -> None:
    detector = loaded(path)
    num_found = 0
    for start in range(0, _NUM_FRAMES, batch_size):
        images = FRAMES[start : start + batch_size]
        answers = detector.predict_batch([VideoFrame(image=image) for image in images])
        for image, answer in zip(images, answers, strict=True):
            assert isinstance(answer, Detections)
            expected = detect(family, path, image)
            assert len(answer.detections) == len(expected)
            for found in answer.detections:  # two scores may be equal but for the last digit
                expected.remove(next(box for box in expected if is_same(found, box)))
            num_found += len(answer.detections)
    assert num_found >= _NUM_FRAMES  # nothing found would agree as well


def test_there_is_a_family_for_every_layout() -> None:
    assert [family.name for family in FAMILIES] == sorted(
        LAYOUTS, key=[family.name for family in FAMILIES].index
    )


@pytest.mark.parametrize("batch_size", [1, 2, 7, 32])
@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_it_is_recognized_and_agrees_with_a_plain_detector(
    family: Family, batch_size: int, tmp_path: Path
) -> None:
    path = family.write(tmp_path / "model.onnx")
    require_agreement(family, path, batch_size)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("family", BATCHED, ids=lambda f: f.name)
def test_a_fixed_batch_size_agrees(family: Family, batch: int, tmp_path: Path) -> None:
    require_agreement(family, family.write(tmp_path / "model.onnx", batch=batch), 32)


@pytest.mark.parametrize("family", BATCHED, ids=lambda f: f.name)
def test_half_precision_agrees(family: Family, tmp_path: Path) -> None:
    if (family.options or {}).get("kind") == "byte":
        pytest.skip("it takes bytes")
    require_agreement(family, family.write(tmp_path / "model.onnx", kind="half"), 32)


@pytest.mark.parametrize("family", BATCHED, ids=lambda f: f.name)
def test_a_batch_of_one_inside_the_graph_is_found_and_said_once(
    family: Family, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = family.write(tmp_path / "model.onnx", inner_batch=1)
    with caplog.at_level(logging.INFO):
        require_agreement(family, path, 32)
    [message] = [r.message for r in caplog.records if "picture by picture" in r.message]
    assert str(path) in message
