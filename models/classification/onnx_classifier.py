"""Any image classifier in an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.base import ModelError
from models.classification.classifier import (
    ACTIVATIONS,
    Classifier,
    check_top_k,
    complete_labels,
)
from models.content_hash import content_version
from models.images import ImageLimits
from models.vision.frame_model import Loaded
from models.vision.image_input import ImageInput
from models.vision.networks import OnnxImages, require_one
from models.vision.onnx_input import InputOptions, onnx_image_input
from models.weights import refuse_pickle

#: Probabilities of a class add up to 1 within this; float16 has three decimal places.
_SUM_TOLERANCE = 5e-3


class OnnxClassifier(Classifier):
    """Names what a frame shows, with an ONNX file.

    Args:
        path: the ONNX file: one picture input, and one output of class scores (B, C).
        labels: class names, or a file of them; None: `classes.txt` or config.json beside the model.
        num_classes: the number of classes of a model without labels: "class 0", "class 1" ...
        top_k: number of classes in a result, 1 to 1,000.
        output: name of the output with the class scores; None: the only one that can be.
        activation: `softmax`, `sigmoid` or `none` makes the output probabilities; None: `none` if
            the outputs for test pictures are probabilities, `softmax` if they can't be.
        input_size: side in pixels, if the file leaves it open.
        resize: `crop` or `stretch`; None: as declared beside the model, else `crop`.
        resized_to: length of the shorter side before a crop; None: as declared, else side / 0.875.
        mean: of R, G and B, after `scale`; None: as declared beside the model.
        std: of R, G and B; None: as declared beside the model.
        scale: factor for gray levels of 0 to 255; None: as declared, else 1/255.
        bgr: blue channel first.
        threads: ONNX Runtime's threads within a call; 0: `OMP_NUM_THREADS`, or all cores.
        max_pixels: larger pictures are refused before they are decoded.
    """

    name = "onnx_classifier"

    def __init__(
        self,
        path: str,
        labels: str | Sequence[str] | None = None,
        num_classes: int | None = None,
        top_k: int = 5,
        output: str | None = None,
        activation: str | None = None,
        input_size: int | None = None,
        resize: str | None = None,
        resized_to: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        scale: float | None = None,
        bgr: bool = False,
        threads: int = 0,
        max_pixels: int = ImageLimits.max_pixels,
    ) -> None:
        if activation is not None and activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}: expected {', '.join(ACTIVATIONS)}")
        if threads < 0 or max_pixels < 1:
            raise ValueError(f"threads {threads}, max_pixels {max_pixels}: expected 0, 1 or more")
        self._path, self._labels, self._num_classes = Path(path), labels, num_classes
        self._top_k = check_top_k(top_k)
        self._output, self._wanted_activation = output, activation
        self._options = InputOptions(input_size, resize, resized_to, mean, std, scale, is_bgr=bgr)
        self._threads, self._limits = threads, ImageLimits(max_pixels=max_pixels)

    def load(self, device: str = "cpu") -> None:
        """Open the file on `cpu` or `cuda:N`; `version` becomes a short hash of the file.

        Raises:
            ModelError: not a classifier, or something about it is not certain.
        """
        refuse_pickle(self._path)
        version = content_version(self._path)
        network = OnnxImages(self._path, device, self._threads)
        network.read_outputs = [self._score_output(network)]
        image_input = onnx_image_input(network.picture, self._options, self._path)
        probes = _probe(network, image_input, self._path)
        num_classes = probes.shape[1]
        self._activation = self._wanted_activation or _told_activation(probes, self._path)
        labels = self._named(num_classes, is_sure=self._activation == "none")
        self._ready = Loaded(network, image_input, labels)
        self.version = version

    def _score_output(self, network: OnnxImages) -> str:
        """Return the name of the output with one score a class."""
        outputs = dict(network.outputs)
        found = ", ".join(f"{name}: {shape}" for name, shape in outputs.items())
        if self._output is not None:
            if self._output not in outputs:
                raise ModelError(f"model file {self._path}: no output {self._output!r}: {found}")
            return self._output
        candidates = [name for name, shape in outputs.items() if _may_be_scores(shape)]
        if not candidates:
            raise ModelError(
                f"model file {self._path}: not a classifier: its outputs are {found}: expected "
                "one [batch, classes]; onnx_detector reads boxes, onnx_segmenter reads masks"
            )
        return require_one(candidates, "the class scores", "output", self._path)

    def _named(self, num_classes: int, is_sure: bool) -> list[str]:
        from models.vision.folder_config import read_labels

        labels = read_labels(self._labels, self._path.parent)
        if not labels and not is_sure and self._num_classes != num_classes:
            raise ModelError(
                f"model file {self._path}: its output has {num_classes} numbers a frame: class "
                "scores, or the vector of an encoder, or other values. If it is a classifier, name "
                f"its classes with the option labels, or set num_classes: {num_classes}"
            )
        return complete_labels(labels, num_classes, self._path)


def _may_be_scores(shape: list[Any]) -> bool:
    return len(shape) == 2 or (len(shape) == 4 and shape[2:] == [1, 1])


def _probe(network: OnnxImages, image_input: ImageInput, path: Path) -> Any:
    """Return the outputs (3, C) for pictures of noise, black and white."""
    shape = (image_input.height, image_input.width, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = np.empty((3, *image_input.shape), np.float32)
    for pixels, row in zip(
        (noise, np.zeros_like(noise), np.full_like(noise, 255)), rows, strict=True
    ):
        image_input.write(pixels, row)
    try:
        (output,) = network.run(network.upload(rows))
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        reason = (str(error).splitlines() or [""])[0]
        raise ModelError(
            f"model file {path}: it fails for a picture of {shape}: {reason}; set input_size"
        ) from error
    flat = output.reshape(len(output), -1)
    if flat.shape[1] < 2:
        raise ModelError(
            f"model file {path}: not a classifier: its output is one number a frame, and a "
            "classifier has a score for each of two classes or more"
        )
    return flat.astype(np.float32)


def _told_activation(probes: Any, path: Path) -> str:
    """Return which activation makes outputs probabilities.

    Raises:
        ModelError: both are possible.
    """
    if probes.min() < 0 or probes.max() > 1:
        return "softmax"
    if np.abs(probes.sum(axis=1) - 1).max() < _SUM_TOLERANCE:
        return "none"
    raise ModelError(
        f"model file {path}: its outputs for test pictures are in 0 to 1 and don't add up to 1: "
        "set the option activation: none (they are probabilities of classes that don't exclude "
        "each other), softmax or sigmoid (they are logits)"
    )
