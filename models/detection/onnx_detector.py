"""Any object detector in an ONNX file with a known layout of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.base import ModelError
from models.content_hash import content_version
from models.detection.detector import Detector, LoadedDetector, Selection
from models.detection.input_format import InputFormat
from models.detection.labels import read_labels
from models.detection.layouts import LAYOUTS, Layout, find_layout
from models.detection.networks import Network, Signature
from models.detection.onnx_network import OnnxNetwork
from models.images import ImageLimits, read_gray_range
from models.weights import refuse_pickle


class OnnxDetector(Detector):
    """Detects objects in frames with an ONNX file.

    Args:
        path: the ONNX file; one input, float [batch, 3, height, width].
        labels: class names, or a file of them; otherwise `classes.txt` beside the model, else
            "class 0", "class 1" ...
        layout: how to read the outputs, a name in `layouts.LAYOUTS`; None: by their shapes.
        score_threshold: lower scores are dropped; None: the layout's default.
        iou_threshold: of two boxes of a class that overlap more, the better one is kept.
        max_detections: the most detections in a frame.
        letterbox: keep the aspect ratio; None: the layout's default.
        bgr: blue channel first; None: the layout's default.
        input_scale: factor for gray levels of 0 to 255 in the network's input.
        input_size: side in pixels, if the file leaves height or width open.
        threads: ONNX Runtime's threads within a call; 0: `OMP_NUM_THREADS`, or all cores.
        max_pixels: larger pictures are refused before they are decoded.
        scaled_decoding: decode JPEG at 1/2, 1/4 or 1/8 if the network needs no more pixels.
        gray_range: [low, high], the levels of a gray picture of more than 8 bits that become black
            and white, or `stretch`: each picture's own; None: the whole range of 16 bits.
    """

    name = "onnx_detector"

    def __init__(
        self,
        path: str,
        labels: str | Sequence[str] | None = None,
        layout: str | None = None,
        score_threshold: float | None = None,
        iou_threshold: float = 0.45,
        max_detections: int = 100,
        letterbox: bool | None = None,
        bgr: bool | None = None,
        input_scale: float = 1 / 255,
        input_size: int = 640,
        threads: int = 0,
        max_pixels: int = ImageLimits.max_pixels,
        scaled_decoding: bool = False,
        gray_range: str | Sequence[float] | None = None,
    ) -> None:
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(f"no layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
        if threads < 0:
            raise ValueError(f"threads is {threads}: expected 0 (let it choose) or more")
        if input_size < 1 or max_pixels < 1:
            raise ValueError(
                f"input_size {input_size}, max_pixels {max_pixels}: expected 1 or more"
            )
        # Checked here, so that a bad option is reported before anything is loaded.
        Selection(score_threshold or 0.0, iou_threshold, max_detections)
        self._path = Path(path)
        self._labels, self._layout_name = labels, layout
        self._score_threshold, self._iou_threshold = score_threshold, iou_threshold
        self._max_detections = max_detections
        self._letterbox, self._bgr = letterbox, bgr
        self._input_scale, self._input_size = input_scale, input_size
        self._threads = threads
        self._limits = ImageLimits(max_pixels=max_pixels)
        self._scaled_decoding = scaled_decoding
        self._gray_range = read_gray_range(gray_range)

    def load(self, device: str = "cpu") -> None:
        """Open the file on `cpu` or `cuda:N`; `version` becomes a short hash of the file."""
        refuse_pickle(self._path)
        version = content_version(self._path)
        network = self._open(device)
        shapes = network.signature.output_shapes
        try:
            layout = find_layout(self._layout_name, shapes)
        except ValueError as error:
            raise ModelError(f"model file {self._path}: {error}") from error
        self._loaded = LoadedDetector(
            network=network,
            layout=layout,
            input_format=self._input_format(layout, network.signature),
            selection=self._selection(layout),
            labels=self._read_labels(layout.num_classes(shapes)),
        )
        self.version = version

    def _open(self, device: str) -> Network:
        return OnnxNetwork(self._path, device, self._threads)

    def _input_format(self, layout: Layout, signature: Signature) -> InputFormat:
        return InputFormat(
            height=signature.height or self._input_size,
            width=signature.width or self._input_size,
            keeps_aspect=layout.keeps_aspect if self._letterbox is None else self._letterbox,
            is_bgr=layout.is_bgr if self._bgr is None else self._bgr,
            scale=self._input_scale,
            scales_jpeg=self._scaled_decoding,
            gray_range=self._gray_range,
        )

    def _selection(self, layout: Layout) -> Selection:
        threshold = self._score_threshold
        if threshold is None:
            threshold = layout.score_threshold
        return Selection(threshold, self._iou_threshold, self._max_detections)

    def _read_labels(self, num_classes: int | None) -> list[str]:
        labels = read_labels(self._labels, self._path)
        if labels and num_classes not in (None, len(labels)):
            raise ModelError(
                f"model file {self._path} has {num_classes} classes, but there are "
                f"{len(labels)} labels: correct the option labels"
            )
        return labels
