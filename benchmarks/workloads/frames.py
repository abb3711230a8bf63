"""Workload `b`: JPEG frames in, the objects that a small detector finds on them out.

The network is the ONNX file that comes with Penstock. The code around it is written out here, so
that all contenders, Penstock included, run the same lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from workloads.envelope import Answer

WEIGHTS = Path(__file__).parents[2] / "models" / "detection" / "weights" / "model.onnx"
#: Of the network's input, pixels.
HEIGHT, WIDTH = 192, 320
SCORE_THRESHOLD, IOU_THRESHOLD = 0.4, 0.45


class Frame(msgspec.Struct, frozen=True):
    """One frame: the value is the JPEG itself; the rest is from the key and Kafka's timestamp."""

    source_id: str
    event_time_ms: int
    image: bytes
    event_id: str = ""


class Found(msgspec.Struct, frozen=True):
    """One object."""

    class_id: int
    score: float
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, in pixels of the frame."""


class Objects(Answer, kw_only=True):
    """The objects on a frame, by descending score."""

    objects: list[Found]


def decode_batch(
    values: Sequence[bytes], keys: Sequence[bytes], timestamps_ms: Sequence[int]
) -> list[Frame]:
    """Return the frames, their images still encoded."""
    rows = zip(values, keys, timestamps_ms, strict=True)
    return [Frame(key.decode(), time_ms, value) for value, key, time_ms in rows]


class Detector:
    """The network and its two halves: `prepare` on the host, `detect` on the device."""

    def __init__(self, device: str) -> None:
        """Load onto `cpu` or `cuda...`."""
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device.startswith("cuda"):
            onnxruntime.preload_dlls()
            providers.insert(0, "CUDAExecutionProvider")
        self._session = onnxruntime.InferenceSession(WEIGHTS, providers=providers)

    def prepare(self, images: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """Decode B JPEGs.

        Returns:
            (B, 3, HEIGHT, WIDTH) float32 in [0, 1], RGB; and (B, 4) float32, the factors that turn
            boxes into pixels of their frame.
        """
        import simplejpeg

        pixels = np.empty((len(images), HEIGHT, WIDTH, 3), np.uint8)
        scales = np.empty((len(images), 4), np.float32)
        for row, image in enumerate(images):
            decoded = simplejpeg.decode_jpeg(image, colorspace="RGB")
            height, width = decoded.shape[:2]
            pixels[row] = decoded[_nearest(height, HEIGHT)][:, _nearest(width, WIDTH)]
            scales[row] = [width / WIDTH, height / HEIGHT] * 2
        planes = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
        return planes.astype(np.float32) / 255, scales

    def detect(self, planes: np.ndarray, scales: np.ndarray) -> list[list[Found]]:
        """Return the objects of each of B prepared frames."""
        boxes, scores = self._session.run(["boxes", "scores"], {"pixels": planes})
        return [_select(b * scale, s) for b, s, scale in zip(boxes, scores, scales, strict=True)]


def _nearest(size: int, wanted: int) -> np.ndarray:
    return ((np.arange(wanted) + 0.5) * (size / wanted)).astype(np.intp)


def _select(boxes: np.ndarray, scores: np.ndarray) -> list[Found]:
    """Keep the best box of each object: greedy suppression within a class."""
    rows, classes = np.nonzero(scores >= SCORE_THRESHOLD)
    order = np.argsort(-scores[rows, classes], kind="stable")
    kept: list[Found] = []
    for row, class_id in zip(rows[order].tolist(), classes[order].tolist(), strict=True):
        box = tuple(boxes[row].tolist())
        rivals = (other.box for other in kept if other.class_id == class_id)
        if all(_overlap(box, rival) <= IOU_THRESHOLD for rival in rivals):
            kept.append(Found(class_id, float(scores[row, class_id]), box))
    return kept


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    """Return intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    area_a, area_b = ((x[2] - x[0]) * (x[3] - x[1]) for x in (a, b))
    return width * height / (area_a + area_b - width * height)


def make_answer(device: str) -> Any:
    """Return the function that answers frames as a peer does."""
    detector = Detector(device)

    def answer_batch(frames: Sequence[Frame]) -> list[Answer]:
        of_frames = detector.detect(*detector.prepare([frame.image for frame in frames]))
        return [Objects(objects=objects) for objects in of_frames]

    return answer_batch
