"""Any semantic segmentation network in an ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.base import ModelError
from models.content_hash import content_version
from models.images import ImageLimits
from models.segmentation.segmenter import Segmenter
from models.vision.folder_config import read_labels
from models.vision.frame_model import Loaded
from models.vision.networks import OnnxImages, require_one
from models.vision.onnx_input import InputOptions, onnx_image_input
from models.weights import refuse_pickle


class OnnxSegmenter(Segmenter):
    """Gives each pixel of a frame a class, with an ONNX file.

    Args:
        path: the ONNX file: one picture input, and one output of class scores (B, C, h, w) or of
            classes (B, h, w).
        labels: class names, or a file of them; None: `classes.txt` or config.json beside the model,
            else "class 0", "class 1" ...
        background: name or id of a class that is not reported; None: all are.
        output: name of the output to read; None: the only one that can be.
        input_size: side in pixels, if the file leaves it open.
        mean: of R, G and B, after `scale`; None: as declared beside the model.
        std: of R, G and B; None: as declared beside the model.
        scale: factor for gray levels of 0 to 255; None: as declared, else 1/255.
        bgr: blue channel first.
        threads: ONNX Runtime's threads within a call; 0: `OMP_NUM_THREADS`, or all cores.
        max_pixels: larger pictures are refused before they are decoded.
    """

    name = "onnx_segmenter"

    def __init__(
        self,
        path: str,
        labels: str | Sequence[str] | None = None,
        background: str | int | None = None,
        output: str | None = None,
        input_size: int | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        scale: float | None = None,
        bgr: bool = False,
        threads: int = 0,
        max_pixels: int = ImageLimits.max_pixels,
    ) -> None:
        if threads < 0 or max_pixels < 1:
            raise ValueError(f"threads {threads}, max_pixels {max_pixels}: expected 0, 1 or more")
        self._path, self._labels = Path(path), labels
        self._wanted_background, self._output = background, output
        # The whole frame has to be seen, so it is stretched whatever is declared.
        self._options = InputOptions(input_size, "stretch", None, mean, std, scale, is_bgr=bgr)
        self._threads, self._limits = threads, ImageLimits(max_pixels=max_pixels)

    def load(self, device: str = "cpu") -> None:
        """Open the file on `cpu` or `cuda:N`; `version` becomes a short hash of the file.

        Raises:
            ModelError: not a segmentation network, or several outputs can be read.
        """
        refuse_pickle(self._path)
        version = content_version(self._path)
        network = OnnxImages(self._path, device, self._threads)
        name = self._map_output(network)
        network.read_outputs = [name]
        image_input = onnx_image_input(network.picture, self._options, self._path)
        num_classes = _num_classes(network, image_input.shape, self._path)
        labels = read_labels(self._labels, self._path.parent)
        if labels and num_classes is not None and len(labels) != num_classes:
            raise ModelError(
                f"model file {self._path} has {num_classes} classes, but there are {len(labels)} "
                "labels: correct the option labels"
            )
        self._background = _class_id(self._wanted_background, labels)
        self._ready = Loaded(network, image_input, labels)
        self.version = version

    def _map_output(self, network: OnnxImages) -> str:
        outputs = dict(network.outputs)
        found = ", ".join(f"{name}: {shape}" for name, shape in outputs.items())
        if self._output is not None:
            if self._output not in outputs:
                raise ModelError(f"model file {self._path}: no output {self._output!r}: {found}")
            return self._output
        candidates = [name for name, shape in outputs.items() if len(shape) == 4]
        if len(outputs) == 1 and len(next(iter(outputs.values()))) == 3:
            candidates = list(outputs)
        if not candidates:
            raise ModelError(
                f"model file {self._path}: not a segmentation network: its outputs are {found}: "
                "expected class scores [batch, classes, height, width] or classes [batch, height, "
                "width]; onnx_classifier reads class scores of whole frames, onnx_detector boxes"
            )
        return require_one(candidates, "the class scores of pixels", "output", self._path)


def _num_classes(network: OnnxImages, shape: tuple[int, int, int], path: Path) -> int | None:
    """Run once; return the number of classes, None if the output holds classes.

    Raises:
        ModelError: it fails, or the output can't be a map.
    """
    try:
        (output,) = network.run(network.upload(np.zeros((1, *shape), np.float32)))
    except Exception as error:  # ONNX Runtime's exceptions have no other common base
        reason = (str(error).splitlines() or [""])[0]
        raise ModelError(
            f"model file {path}: it fails for a picture of {shape}: {reason}; set input_size"
        ) from error
    if output.ndim == 3 and np.issubdtype(output.dtype, np.integer):
        return None
    if output.ndim == 4 and output.shape[1] == 1 and np.issubdtype(output.dtype, np.integer):
        return None
    if output.ndim == 4 and 2 <= output.shape[1] and min(output.shape[2:]) > 1:
        return int(output.shape[1])
    raise ModelError(
        f"model file {path}: its output is {output.dtype} {list(output.shape)}: expected scores of "
        "two classes or more [batch, classes, height, width], or whole numbers [batch, height, "
        "width]"
    )


def _class_id(background: str | int | None, labels: list[str]) -> int | None:
    if not isinstance(background, str):
        return background
    if background not in labels:
        raise ModelError(f"background {background!r} is no label: {', '.join(labels) or 'none'}")
    return labels.index(background)
