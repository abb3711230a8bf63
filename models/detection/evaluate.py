"""Measure the detectors on rendered scenes and on real pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import simplejpeg

from models.base import Model
from models.detection.coco_metrics import (
    Found,
    Truth,
    measure_detections,
    require_pycocotools,
)
from models.detection.onnx_detector import OnnxDetector
from models.detection.scenes import LABELS, render_scene
from models.detection.traffic_detector import TrafficDetector
from models.evaluation import UNSEEN_SEED, Measure, Row, without_data
from schemas import Detections, InputError, VideoFrame

#: Name of the task and of the real detector in measured rows.
TASK, FASTESTDET = "detection", "onnx_detector (FastestDet)"

FrameWithTruth: TypeAlias = tuple[VideoFrame, Truth]

#: Average precision is measured over nearly all candidates, also those with low scores.
MEASURED_FROM_SCORE = 0.01
#: Score from which an object counts as found (recall, share of frames): the lowest threshold that
#: FastestDet's authors recommend.
FOUND_FROM_SCORE = 0.4
_BATCH_SIZE = 16
_JPEG_QUALITY = 92


class _Photo(msgspec.Struct):
    file: str
    boxes: list[list[float]]
    labels: list[str]
    crowd: list[bool | int]


class _Photos(msgspec.Struct):
    images: list[_Photo]


def scenes_with_truth(seed: int, num_scenes: int) -> Iterator[FrameWithTruth]:
    """Render scenes as JPEG frames, as a camera would send them."""
    for index in range(num_scenes):
        scene = render_scene(np.random.default_rng((seed, index)))
        labels = [LABELS[class_id] for class_id in scene.class_ids.tolist()]
        yield _jpeg_frame(scene.image, index), Truth(scene.boxes, labels)


def photos_with_truth(folder: Path) -> Iterator[FrameWithTruth]:
    """Read the photos and boxes that a folder's `truth.json` lists."""
    for photo in msgspec.json.decode((folder / "truth.json").read_bytes(), type=_Photos).images:
        frame = VideoFrame(image=(folder / "images" / photo.file).read_bytes())
        boxes = np.array(photo.boxes, np.float32).reshape(-1, 4)
        yield frame, Truth(boxes, photo.labels, [bool(flag) for flag in photo.crowd])


def video_frames(path: Path, every: int) -> Iterator[VideoFrame]:
    """Read every n-th frame of a video file (`every`), starting with the first, as JPEG."""
    import av

    with av.open(str(path)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % every == 0:
                yield _jpeg_frame(frame.to_ndarray(format="rgb24"), index)


def evaluate_detector(
    model: Model[VideoFrame, Detections],
    frames_with_truth: Iterable[FrameWithTruth],
    recall_from_score: float = 0.0,
) -> dict[str, float]:
    """Measure a loaded detector; give it a low score threshold, or its mAP is too low.

    Returns:
        `mAP50`, `mAP50-95` and `recall50`, as `measure_detections` defines them.

    Raises:
        InputError: a frame can't be decoded.
        ModelError: pycocotools is not installed.
    """
    pairs = list(frames_with_truth)
    answers = _answers(model, [frame for frame, _ in pairs])
    measured = [(_found(a), truth) for a, (_, truth) in zip(answers, pairs, strict=True)]
    return measure_detections(measured, recall_from_score)


def share_of_frames_with(
    model: Model[VideoFrame, Detections], frames: Iterable[VideoFrame], label: str
) -> float:
    """Return the share of frames, in [0, 1], in which the detector finds that label."""
    answers = _answers(model, list(frames))
    return sum(any(d.label == label for d in a.detections) for a in answers) / len(answers)


def evaluate_on(data_dir: Path, num_scenes: int = 200) -> list[Row]:
    """Measure both detectors: on rendered scenes, and on the real data in a folder.

    Args:
        data_dir: contains `detector_fastestdet/`, `coco_photos/` and `video/`; absent ones are
            skipped.
        num_scenes: how many scenes to render.

    Returns:
        Figures in [0, 1].

    Raises:
        ModelError: pycocotools is not installed.
    """
    require_pycocotools()
    rows = _scene_rows(num_scenes)
    network = data_dir / "detector_fastestdet" / "FastestDet.onnx"
    if not network.is_file():
        return [*rows, *without_data(TASK, "detector_fastestdet")]
    photos, video = data_dir / "coco_photos", data_dir / "video" / "vtest.mp4"
    rows += _photo_rows(network, photos) if photos.is_dir() else without_data(TASK, "coco_photos")
    rows += _video_rows(network, video) if video.is_file() else without_data(TASK, "video")
    return rows


def _scene_rows(num_scenes: int) -> list[Row]:
    model = TrafficDetector(score_threshold=MEASURED_FROM_SCORE)
    model.load("cpu")
    scenes = scenes_with_truth(UNSEEN_SEED, num_scenes)
    measured = evaluate_detector(model, scenes, FOUND_FROM_SCORE)
    dataset = f"rendered scenes, {num_scenes} unseen"
    return [
        Measure(
            task=TASK, dataset=dataset, model=model.name, metric=name, value=v, seed=UNSEEN_SEED
        )
        for name, v in measured.items()
    ]


def _photo_rows(network: Path, photos: Path) -> list[Row]:
    model = OnnxDetector(path=str(network), score_threshold=MEASURED_FROM_SCORE)
    model.load("cpu")
    measured = evaluate_detector(model, photos_with_truth(photos), FOUND_FROM_SCORE)
    return [
        Measure(task=TASK, dataset=photos.name, model=FASTESTDET, metric=name, value=value)
        for name, value in measured.items()
    ]


def _video_rows(network: Path, video: Path) -> list[Row]:
    model = OnnxDetector(path=str(network), score_threshold=FOUND_FROM_SCORE)
    model.load("cpu")
    share = share_of_frames_with(model, video_frames(video, every=10), "person")
    metric = f"frames with a person, score {FOUND_FROM_SCORE}"
    dataset = f"video, {video.name}"
    return [Measure(task=TASK, dataset=dataset, model=FASTESTDET, metric=metric, value=share)]


def _answers(model: Model[VideoFrame, Detections], frames: list[VideoFrame]) -> list[Detections]:
    answers: list[Detections] = []
    for start in range(0, len(frames), _BATCH_SIZE):
        for answer in model.predict_batch(frames[start : start + _BATCH_SIZE]):
            if isinstance(answer, InputError):
                raise answer
            assert isinstance(answer, Detections)
            answers.append(answer)
    return answers


def _found(answer: Detections) -> Found:
    boxes = np.array([d.box for d in answer.detections], np.float32).reshape(-1, 4)
    scores = np.array([d.score for d in answer.detections], np.float32)
    return Found(boxes, [d.label for d in answer.detections], scores)


def _jpeg_frame(image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], index: int) -> VideoFrame:
    pixels = np.ascontiguousarray(image)
    encoded = simplejpeg.encode_jpeg(pixels, quality=_JPEG_QUALITY, colorspace="RGB")
    return VideoFrame(image=encoded, frame_index=index)
