"""Networks of other tasks are refused with the task's name, and never read as boxes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.base import ModelError
from models.detection.onnx_detector import OnnxDetector
from tests.models.detection.layouts.onnx_graph import HEIGHT, NUM_CELLS, WIDTH, Graph


def _columns(g: Graph, *parts: str, num_rows: int) -> None:
    rows = g.op("Concat", *parts, axis=2)
    shape = [g.batch, num_rows, NUM_CELLS]
    g.output(g.op("Transpose", rows, perm=[0, 2, 1]), "output0", shape)


def pose(g: Graph) -> None:
    """Box, score of "person", 17 key points of x, y and visibility."""
    points = g.linear(g.logistic(g.raw(NUM_CELLS, 51, 5)), [WIDTH, HEIGHT, 1] * 17)
    boxes, scores = g.centered_pixels(NUM_CELLS, 1), g.scores(NUM_CELLS, 1, 4)
    _columns(g, boxes, scores, points, num_rows=56)


def pose_after_suppression(g: Graph) -> None:
    """Corners, score, class, 17 key points."""
    points = g.linear(g.logistic(g.raw(300, 51, 5)), [WIDTH, HEIGHT, 1] * 17)
    parts = [g.corner_pixels(300, 1), g.scores(300, 1, 3), g.linear(g.classes(300, 1, 4), 0.0)]
    g.output(g.op("Concat", *parts, points, axis=2), "output0", [g.batch, 300, 57])


def segmentation(g: Graph) -> None:
    """YOLOv8 with 32 coefficients of masks, and the prototypes of masks."""
    boxes, scores = g.centered_pixels(NUM_CELLS, 1), g.scores(NUM_CELLS, 3, 4)
    _columns(g, boxes, scores, g.raw(NUM_CELLS, 32, 5), num_rows=39)
    masks = g.op("Reshape", g.raw(32 * 16, 24, 7), g.constant_of([-1, 32, 16, 24]))
    g.output(masks, "output1", [g.batch, 32, 16, 24])


def classes_of_pixels(g: Graph) -> None:
    """A class score for each pixel of a smaller picture."""
    grid = g.op("Reshape", g.raw(21 * 16, 24, 7), g.constant_of([-1, 21, 16, 24]))
    g.output(grid, "logits", [g.batch, 21, 16, 24])


def oriented(g: Graph) -> None:
    """Box, three scores, angle."""
    boxes, scores = g.centered_pixels(NUM_CELLS, 1), g.scores(NUM_CELLS, 3, 4)
    _columns(g, boxes, scores, g.raw(NUM_CELLS, 1, 5), num_rows=8)


def oriented_after_suppression(g: Graph) -> None:
    """Box, score, class, angle."""
    parts = [g.corner_pixels(300, 1), g.scores(300, 1, 3), g.classes(300, 1, 4)]
    g.output(g.op("Concat", *parts, g.raw(300, 1, 5), axis=2), "output0", [g.batch, 300, 7])


def classification(g: Graph) -> None:
    """A score for each of 1,000 classes."""
    flat = g.op("Reshape", g.raw(1, 1000, 4), g.constant_of([-1, 1000]))
    g.output(flat, "output0", [g.batch, 1000])


def refusal(build: Callable[[Graph], None], folder: Path, metadata: dict[str, str]) -> str:
    graph = Graph()
    build(graph)
    path = graph.save(folder / "model.onnx", metadata)
    with pytest.raises(ModelError) as caught:
        OnnxDetector(path=str(path), threads=1).load("cpu")
    return str(caught.value)


NAMES = {"names": "{0: 'a', 1: 'b', 2: 'c'}"}


@pytest.mark.parametrize(
    ("build", "task", "message"),
    [
        (pose, "pose", "a pose model"),
        (segmentation, "segment", "a segmentation model"),
        (oriented, "obb", "a model for oriented boxes"),
        (classification, "classify", "a classification model"),
    ],
)
def test_the_files_metadata_names_the_task(
    build: Callable[[Graph], None], task: str, message: str, tmp_path: Path
) -> None:
    said = refusal(build, tmp_path, {"task": task})
    assert message in said
    assert f"its metadata says task {task!r}" in said
    assert "export a model that was trained for detection" in said


@pytest.mark.parametrize(
    ("build", "metadata", "message"),
    [
        (pose, {}, "a pose model: 17 keypoints"),
        (pose, {"names": "{0: 'person'}"}, "a pose model: 17 keypoints"),
        (pose_after_suppression, {}, "a pose model: 17 keypoints"),
        (segmentation, {}, "a segmentation model: beside boxes it has 32 prototype masks"),
        (segmentation, {"task": "detect"}, "32 prototype masks"),
        (oriented, NAMES, "a model for oriented boxes"),
        (oriented_after_suppression, {}, "a model for oriented boxes"),
        (classification, {}, "a classification model: its output is 1000 scores"),
        (classes_of_pixels, {}, "fit no known layout"),
        # An angle without class names could as well be a fourth class.
        (oriented, {}, "set the option layout to"),
    ],
)
def test_the_outputs_show_the_task(
    build: Callable[[Graph], None], metadata: dict[str, str], message: str, tmp_path: Path
) -> None:
    assert message in refusal(build, tmp_path, metadata)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        ("ResNetForImageClassification", "a classification model"),
        ("SegformerForSemanticSegmentation", "a segmentation model"),
        ("VitPoseForPoseEstimation", "a pose model"),
    ],
)
def test_config_json_names_the_task(architecture: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(f'{{"architectures": ["{architecture}"]}}')
    assert f"{message} (config.json says {architecture})" in refusal(oriented, tmp_path, {})
