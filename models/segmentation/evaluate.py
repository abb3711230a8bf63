"""Measure the segmenters on rendered scenes with exact masks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import simplejpeg

from models.base import Model
from models.detection.scenes import LABELS, render_scene_with_classes
from models.evaluation import UNSEEN_SEED, Row, measures
from models.segmentation.run_length import decode
from models.segmentation.traffic_segmenter import WEIGHTS, TrafficSegmenter
from schemas import InputError, Segmentation, VideoFrame

_JPEG_QUALITY = 92
_BATCH_SIZE = 8


def scenes_with_classes(
    seed: int, num_scenes: int
) -> Iterator[tuple[VideoFrame, npt.NDArray[np.uint8]]]:
    """Render scenes as JPEG frames, with the class (H, W) of each pixel, 0 for the background."""
    for index in range(num_scenes):
        scene, classes = render_scene_with_classes(np.random.default_rng((seed, index)))
        pixels = np.ascontiguousarray(scene.image)
        image = simplejpeg.encode_jpeg(pixels, quality=_JPEG_QUALITY, colorspace="RGB")
        yield VideoFrame(image=image, frame_index=index), classes


def mean_iou(
    pairs: Iterable[tuple[npt.NDArray[np.integer], npt.NDArray[np.integer]]], num_classes: int
) -> tuple[float, list[float]]:
    """Return the mean intersection over union, and that of each class, over all pixels of a set.

    Source: Everingham et al., 2010, "The PASCAL Visual Object Classes Challenge"; a class that is
    in neither truth nor answers is left out of the mean.

    Args:
        pairs: the classes found and the true classes, (H, W) each, of every frame.
        num_classes: C, with the background.
    """
    confusion = np.zeros((num_classes, num_classes), np.int64)
    for found, truth in pairs:
        both = truth.ravel().astype(np.int64) * num_classes + found.ravel()
        confusion += np.bincount(both, minlength=num_classes**2).reshape(confusion.shape)
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    ious = np.where(union > 0, hits / np.maximum(union, 1), np.nan)
    return float(np.nanmean(ious)), ious.tolist()


def classes_of(answer: Segmentation) -> npt.NDArray[np.uint8]:
    """Return the class of each pixel (H, W), 0 where no region is, from the answer's masks."""
    classes = np.zeros((answer.height, answer.width), np.uint8)
    for region in answer.regions:
        classes[decode(region.mask.counts, *region.mask.size)] = region.class_id
    return classes


def evaluate_scenes(
    weights: Path = WEIGHTS, seed: int = UNSEEN_SEED, num_scenes: int = 200
) -> dict[str, float]:
    """Measure the traffic segmenter on scenes that training never renders.

    Returns:
        `mIoU` over the background and all classes, and `IoU <class>` of each.
    """
    model = TrafficSegmenter(weights=str(weights))
    model.load("cpu")
    pairs = list(scenes_with_classes(seed, num_scenes))
    answers = _answers(model, [frame for frame, _ in pairs])
    found = (classes_of(answer) for answer in answers)
    names = ["background", *LABELS]
    truths = (truth for _, truth in pairs)
    mean, ious = mean_iou(zip(found, truths, strict=True), len(names))
    return {"mIoU": mean, **{f"IoU {n}": v for n, v in zip(names, ious, strict=True)}}


def evaluate_on(data_dir: Path, num_scenes: int = 200) -> list[Row]:
    """Measure the traffic segmenter on rendered scenes; nothing in the folder has masks."""
    dataset = f"rendered scenes, {num_scenes} unseen"
    values = evaluate_scenes(num_scenes=num_scenes)
    return measures("segmentation", dataset, "traffic_segmenter", values, seed=UNSEEN_SEED)


def _answers(
    model: Model[VideoFrame, Segmentation], frames: list[VideoFrame]
) -> list[Segmentation]:
    answers: list[Segmentation] = []
    for start in range(0, len(frames), _BATCH_SIZE):
        for answer in model.predict_batch(frames[start : start + _BATCH_SIZE]):
            if isinstance(answer, InputError):
                raise answer
            assert isinstance(answer, Segmentation)
            answers.append(answer)
    return answers
