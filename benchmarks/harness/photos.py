"""`penstock bench photos`: a detector's batches beside a loop over single photos, in one run.

No broker: the photos of `coco_photos`, with FastestDet. The loop is what one writes in a notebook:
decode, resize, run, select, one photo after another, with ONNX Runtime as it is by default. It is
measured with one thread in a run of the network and with as many as the cores. All take their
turns in every round, on the same cores, and must give the same boxes.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from agents.errors import UserError
from models.detection.onnx_detector import OnnxDetector
from schemas import Detections, VideoFrame

BATCH_SIZE = 32
#: Photos in each turn of a contender.
_NUM_PHOTOS = 4 * BATCH_SIZE
_SIDE, _CELLS = 352, 22
_SCORE, _IOU = 0.4, 0.45
#: Pixels that a side of a box may differ: sums are made in another order.
_TOLERANCE = 0.5

Floats: TypeAlias = NDArray[np.float32]
#: Photos to the boxes (n, 4) of each.
Contender: TypeAlias = Callable[[Sequence[bytes]], list[Floats]]


class PhotoRate(msgspec.Struct, frozen=True):
    """How fast one way to detect objects is, over the rounds."""

    way: str
    photos_per_second: float
    """The median of the rounds."""
    highest: float
    cpu_milliseconds: float
    """CPU time for a photo, the lowest of the rounds."""
    of_batches: float
    """Rate of `onnx_detector` divided by this rate, in the same round; the median."""


def measure_photos(data: Path, threads: int, rounds: int) -> list[PhotoRate]:
    """Measure each way in turn, several times, on as many cores as `threads`.

    Raises:
        UserError: the folder lacks the data, or the machine has fewer cores.
        AssertionError: the ways give other boxes.
    """
    network = data / "detector_fastestdet" / "FastestDet.onnx"
    files = sorted((data / "coco_photos" / "images").glob("*.jpg"))
    if not network.is_file() or not files:
        raise UserError(f"{data}: no detector_fastestdet and coco_photos in it: use --data DIR")
    photos = list(islice(cycle([file.read_bytes() for file in files]), _NUM_PHOTOS))
    with _only_cores(threads):
        batches = f"onnx_detector, batches of {BATCH_SIZE}"
        ways = {batches: _batches(network, threads), "loop, one thread": _loop(network, 1)}
        ways[f"loop, {threads} threads"] = _loop(network, threads)
        _require_same_boxes([way(photos[: len(files)]) for way in ways.values()])
        measured = [
            {name: _measure(way, photos) for name, way in ways.items()} for _ in range(rounds)
        ]
    return [_summary(name, batches, measured) for name in ways]


def _summary(name: str, batches: str, measured: list[dict[str, tuple[float, float]]]) -> PhotoRate:
    rates = [row[name][0] for row in measured]
    ratio = statistics.median(row[batches][0] / row[name][0] for row in measured)
    cpu = min(row[name][1] for row in measured)
    return PhotoRate(name, statistics.median(rates), max(rates), cpu, ratio)


def _measure(way: Contender, photos: Sequence[bytes]) -> tuple[float, float]:
    """Return photos per second, and milliseconds of CPU time for a photo."""
    started, cpu = time.perf_counter(), time.process_time()
    way(photos)
    seconds, spent = time.perf_counter() - started, time.process_time() - cpu
    return len(photos) / seconds, spent / len(photos) * 1e3


@contextmanager
def _only_cores(number: int) -> Iterator[None]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < number:
        raise UserError(f"--threads {number}: this process may use {len(cores)} cores")
    os.sched_setaffinity(0, cores[:number])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _batches(network: Path, threads: int) -> Contender:
    detector = OnnxDetector(path=str(network), threads=threads, score_threshold=_SCORE)
    detector.load("cpu")

    def run(photos: Sequence[bytes]) -> list[Floats]:
        frames = [VideoFrame(image=photo) for photo in photos]
        parts = [frames[i : i + BATCH_SIZE] for i in range(0, len(frames), BATCH_SIZE)]
        return [_boxes(answer) for part in parts for answer in detector.predict_batch(part)]

    return run


def _boxes(answer: object) -> Floats:
    assert isinstance(answer, Detections), answer
    return np.array([d.box for d in answer.detections], np.float32).reshape(-1, 4)


def _loop(network: Path, threads: int) -> Contender:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(network), options, ["CPUExecutionProvider"])

    def run(photos: Sequence[bytes]) -> list[Floats]:
        return [_detect(session, photo) for photo in photos]

    return run


def _detect(session: Any, photo: bytes) -> Floats:
    """Detect objects in one photo, as FastestDet's example does."""
    picture = Image.fromarray(simplejpeg.decode_jpeg(photo, colorspace="RGB"))
    resized = np.asarray(picture.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR))
    pixels = np.ascontiguousarray(resized[..., ::-1].transpose(2, 0, 1)[None], np.float32) / 255
    (grid,) = session.run(None, {session.get_inputs()[0].name: pixels})
    cells = grid[0].reshape(grid.shape[1], -1).T
    classes = cells[:, 5:].argmax(axis=1)
    scores = cells[:, 0] ** 0.6 * cells[np.arange(len(cells)), 5 + classes] ** 0.4
    chosen = np.flatnonzero(scores >= _SCORE)
    boxes = _box(cells[chosen], chosen) * np.array([*picture.size] * 2, np.float32)
    kept = _suppress(boxes, scores[chosen], classes[chosen])
    return np.clip(boxes[kept], 0, np.array([*picture.size] * 2, np.float32))


def _box(cells: Floats, index: NDArray[np.int64]) -> Floats:
    y, x = np.divmod(index, _CELLS)
    center = np.stack([x + np.tanh(cells[:, 1]), y + np.tanh(cells[:, 2])], axis=1) / _CELLS
    half = 0.5 / (1 + np.exp(-cells[:, 3:5]))
    return np.concatenate([center - half, center + half], axis=1).astype(np.float32)


def _suppress(boxes: Floats, scores: Floats, classes: NDArray[np.int64]) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        rivals = [k for k in kept if classes[k] == classes[i]]
        if all(_iou(boxes[k], boxes[i]) <= _IOU for k in rivals):
            kept.append(i)
    return kept


def _iou(a: Floats, b: Floats) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    return common / float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common)


def _require_same_boxes(answers: Sequence[list[Floats]]) -> None:
    first, *others = answers
    assert sum(len(boxes) for boxes in first) > 0, "nothing found in any photo"
    for other in others:
        for index, (a, b) in enumerate(zip(first, other, strict=True)):
            same = a.shape == b.shape and np.allclose(a, b, atol=_TOLERANCE)
            assert same, f"photo {index}: {a.tolist()} and {b.tolist()}"


def rows_of(rates: Sequence[PhotoRate]) -> list[list[str]]:
    """Return the rates as the rows of a table."""
    return [
        [
            rate.way,
            f"{rate.photos_per_second:.0f}",
            f"{rate.highest:.0f}",
            f"{rate.cpu_milliseconds:.2f}",
            f"{rate.of_batches:.2f}",
        ]
        for rate in rates
    ]
