"""A plain detector for one picture at a time, written independently of the product.

It opens the file, fits one picture with Pillow, runs it alone, and selects boxes in loops.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import onnxruntime
from PIL import Image

from tests.models.detection.layouts.onnx_graph import HEIGHT, WIDTH, Graph

Array: TypeAlias = np.ndarray[Any, Any]


class Box(NamedTuple):
    """A detection."""

    x1: float
    y1: float
    x2: float
    y2: float
    score: float
    class_id: int


@dataclass(frozen=True)
class Family:
    """A family of detectors: how a file of it is written, fed and read."""

    name: str
    """Of the layout."""
    build: Callable[[Graph], None]
    """Add outputs to a graph."""
    read: Callable[[Sequence[Array]], list[Box]]
    """Read the outputs of one picture, in pixels of the input, in loops."""
    fitting: str = "stretch"
    """`stretch`, `center` or `corner`."""
    is_bgr: bool = False
    largest: float = 1.0
    """What white is in the input, before mean and deviation."""
    mean: Sequence[float] = (0, 0, 0)
    std: Sequence[float] = (1, 1, 1)
    threshold: float = 0.25
    is_suppressed_here: bool = False
    options: dict[str, Any] | None = None
    """How the graph is made, where it differs."""

    def write(self, path: Path, **options: Any) -> Path:
        """Write a file of the family."""
        metadata = options.pop("metadata", None)
        graph = Graph(**{"largest": self.largest, **(self.options or {}), **options})
        self.build(graph)
        return graph.save(path, metadata)


def colored_frame(seed: int) -> bytes:
    """Return a PNG of 4 x 4 colored fields; its size differs from seed to seed."""
    rng = np.random.default_rng(seed)
    fields = Image.fromarray(rng.integers(0, 256, (4, 4, 3)).astype(np.uint8))
    size = int(rng.integers(20, 200)), int(rng.integers(20, 200))
    content = io.BytesIO()
    fields.resize(size, Image.Resampling.NEAREST).save(content, "PNG")
    return content.getvalue()


def detect(family: Family, path: Path, image: bytes) -> list[Box]:
    """Return the detections of one picture, by descending score, in pixels of the picture."""
    picture = Image.open(io.BytesIO(image)).convert("RGB")
    pixels, scale_x, scale_y, left, top = _fit(picture, family.fitting)
    outputs = _run(family, path, pixels)
    boxes = [box for box in family.read(outputs) if box.score >= family.threshold]
    boxes.sort(key=lambda box: -box.score)
    if family.is_suppressed_here:
        boxes = _suppress(boxes, 0.45)
    return [_back(box, picture.size, scale_x, scale_y, left, top) for box in boxes[:100]]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Return intersection over union of two boxes xyxy."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    if union > 0:
        return common / union
    return float(np.allclose(a[:4], b[:4], atol=1e-2))  # clipped to a line at the frame's edge


def _fit(picture: Image.Image, fitting: str) -> tuple[Array, float, float, int, int]:
    width, height = picture.size
    if fitting == "stretch":
        resized = picture.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        return np.asarray(resized), WIDTH / width, HEIGHT / height, 0, 0
    scale = min(WIDTH / width, HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (WIDTH - size[0]) // 2, (HEIGHT - size[1]) // 2
    if fitting == "corner":
        left, top = 0, 0
    canvas = Image.new("RGB", (WIDTH, HEIGHT), (114, 114, 114))
    canvas.paste(picture.resize(size, Image.Resampling.BILINEAR), (left, top))
    return np.asarray(canvas), size[0] / width, size[1] / height, left, top


@lru_cache(maxsize=1)
def _session(path: Path) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def _run(family: Family, path: Path, pixels: Array) -> list[Array]:
    session = _session(path)
    node, *others = session.get_inputs()
    values = pixels.astype(np.float64) * (family.largest / 255)
    values = (values[..., ::-1] if family.is_bgr else values) - np.array(family.mean)
    values = values / np.array(family.std)
    if node.shape[-1] != 3:
        values = values.transpose(2, 0, 1)
    count = node.shape[0] if len(node.shape) == 4 and isinstance(node.shape[0], int) else 1
    if len(node.shape) == 4:
        values = np.stack([values] * count)
    kinds = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}
    feed: dict[str, Array] = {node.name: np.ascontiguousarray(values.astype(kinds[node.type]))}
    for other in others:
        is_sizes = other.name == "orig_target_sizes"
        ones = np.ones((count, HEIGHT, WIDTH), np.int64)
        feed[other.name] = np.array([[WIDTH, HEIGHT]] * count, np.int64) if is_sizes else ones
    return [np.asarray(output, np.float64) for output in session.run(None, feed)]


def _suppress(boxes: list[Box], threshold: float) -> list[Box]:
    kept: list[Box] = []
    for box in boxes:
        rivals = [other for other in kept if other.class_id == box.class_id]
        if all(iou(box[:4], other[:4]) <= threshold for other in rivals):
            kept.append(box)
    return kept


def _back(
    box: Box, size: tuple[int, int], scale_x: float, scale_y: float, left: int, top: int
) -> Box:
    def clip(value: float, limit: int) -> float:
        return min(max(value, 0), limit)

    return box._replace(
        x1=clip((box.x1 - left) / scale_x, size[0]),
        y1=clip((box.y1 - top) / scale_y, size[1]),
        x2=clip((box.x2 - left) / scale_x, size[0]),
        y2=clip((box.y2 - top) / scale_y, size[1]),
    )
