"""Any object detector in an ONNX file with a known layout of outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from models.base import ModelError
from models.content_hash import content_version
from models.detection.boxes import Suppress, nms_of_frames
from models.detection.detector import Detector, LoadedDetector, Selection
from models.detection.input_format import InputFormat
from models.detection.input_options import StyleOptions, check_size
from models.detection.labels import read_labels
from models.detection.layouts import Facts, Found, check_name, find_layout
from models.detection.model_config import ModelConfig, config_files, read_model_config
from models.detection.networks import Network
from models.detection.onnx_network import OnnxNetwork
from models.detection.probe import Probe, probe
from models.images import ImageLimits, read_gray_range
from models.weights import refuse_pickle

_log = logging.getLogger(__name__)
_DEFAULT_SIDE = 640


class OnnxDetector(Detector):
    """Detects objects in frames with an ONNX file.

    Args:
        path: the ONNX file; its input is pictures, float [batch, 3, height, width] or another form
            that `onnx_inputs.py` lists.
        labels: class names, or a file of them; otherwise `classes.txt` beside the model, the names
            in the model's file or in config.json, else "class 0", "class 1" ...
        layout: how to read the outputs, a name in `layouts.LAYOUTS`; None: by the outputs' names,
            shapes and values, and the file's metadata.
        score_threshold: lower scores are dropped; None: the layout's default.
        iou_threshold: of two boxes of a class that overlap more, the better one is kept, unless the
            layout's boxes do not need it.
        max_detections: the most detections in a frame.
        letterbox: keep the aspect ratio; None: the layout's default.
        bgr: blue channel first; None: the layout's default.
        input_scale: factor for gray levels of 0 to 255; None: the layout's default.
        mean: subtracted from each channel after scaling; None: the layout's default.
        std: each channel is divided by it after that; None: the layout's default.
        input_size: side in pixels, or height and width, if the file leaves them open; None: what
            preprocessor_config.json beside the file states, else 640.
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
        input_scale: float | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        input_size: int | Sequence[int] | None = None,
        threads: int = 0,
        max_pixels: int = ImageLimits.max_pixels,
        scaled_decoding: bool = False,
        gray_range: str | Sequence[float] | None = None,
    ) -> None:
        if threads < 0:
            raise ValueError(f"threads is {threads}: expected 0 (let it choose) or more")
        if max_pixels < 1:
            raise ValueError(f"max_pixels is {max_pixels}: expected 1 or more")
        # Checked here, so that a bad option is reported before anything is loaded.
        Selection(score_threshold or 0.0, iou_threshold, max_detections)
        self._path = Path(path)
        self._labels = labels
        self._layout_name = None if layout is None else check_name(layout)
        self._score_threshold, self._iou_threshold = score_threshold, iou_threshold
        self._max_detections = max_detections
        self._style = StyleOptions(letterbox, bgr, input_scale, mean, std)
        self._input_size = check_size(input_size)
        self._threads = threads
        self._limits = ImageLimits(max_pixels=max_pixels)
        self._scaled_decoding = scaled_decoding
        self._gray_range = read_gray_range(gray_range)

    def load(self, device: str = "cpu") -> None:
        """Open the file on `cpu` or `cuda:N`, and find its layout by running it on two pictures.

        `version` becomes a short hash of the file, its external data and its JSON configuration.

        Raises:
            ModelError: no such file, not a detector, or its layout is not certain.
        """
        refuse_pickle(self._path)
        version = content_version(self._path, config_files(self._path))
        config = read_model_config(self._path)
        network = self._open(device)
        labels = read_labels(self._labels, self._path, network.signature.metadata, config.config)
        size = self._size(network, config)
        probed = self._probe(network, size)
        facts = Facts(
            names=network.signature.output_names,
            samples=probed.samples,
            height=size[0],
            width=size[1],
            extra_inputs=network.signature.extra_inputs,
            metadata=network.signature.metadata,
            config=dict(config.config),
            num_labels=len(labels),
        )
        found = self._find_layout(facts)
        if probed.one_by_one:
            self._run_one_by_one(network, probed.one_by_one)
        _log.info("model file %s: layout %s", self._path, found.layout.name)
        style = self._style.apply(config.style(found.layout.style), network.signature.takes_bytes)
        self._ready = LoadedDetector(
            network=network,
            found=found,
            input_format=InputFormat(*size, style, self._scaled_decoding, self._gray_range),
            selection=self._selection(found),
            labels=labels,
            suppress=_suppression(device),
        )
        self.version = version

    def _open(self, device: str) -> Network:
        return OnnxNetwork(self._path, device, self._threads)

    def _size(self, network: Network, config: ModelConfig) -> tuple[int, int]:
        height, width = self._input_size or config.input_size or (_DEFAULT_SIDE, _DEFAULT_SIDE)
        return network.signature.height or height, network.signature.width or width

    def _probe(self, network: Network, size: tuple[int, int]) -> Probe:
        try:
            return probe(network, *size)
        except Exception as error:  # ONNX Runtime's exceptions have no other common base
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"model file {self._path}: it fails on a picture of {size[0]}x{size[1]} pixels: "
                f"{reason}: set the option input_size if it needs another size"
            ) from error

    def _find_layout(self, facts: Facts) -> Found:
        try:
            found = find_layout(self._layout_name, facts)
        except ValueError as error:
            raise ModelError(f"model file {self._path}: {error}") from error
        num_classes = found.layout.num_classes(facts, found.order)
        if facts.num_labels and num_classes not in (None, facts.num_labels):
            raise ModelError(
                f"model file {self._path} has {num_classes} classes, but there are "
                f"{facts.num_labels} labels: correct the option labels"
            )
        return found

    def _run_one_by_one(self, network: Network, reason: str) -> None:
        network.run_one_by_one()
        _log.warning("model file %s is run picture by picture: %s", self._path, reason)

    def _selection(self, found: Found) -> Selection:
        threshold = self._score_threshold
        if threshold is None:
            threshold = found.layout.score_threshold
        return Selection(threshold, self._iou_threshold, self._max_detections)


def _suppression(device: str) -> Suppress:
    """Return the suppression for a network on that device."""
    if device == "cpu":
        return nms_of_frames
    from models.detection.device_nms import DeviceNms

    return DeviceNms(device)
