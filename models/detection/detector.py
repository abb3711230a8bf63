"""What every detector does around its network: decode, fit, run, select, map back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.base import Answer, ModelError, PreparedModel
from models.cores import Cores
from models.detection.boxes import Floats, Selected, select
from models.detection.fitting import Fit, letterbox, letterboxed_size, stretch
from models.detection.images import ImageLimits, decode_image
from models.detection.layouts import Layout
from models.detection.networks import Network, write_planes
from schemas import Detection, Detections, InputError, VideoFrame


@dataclass(frozen=True)
class InputFormat:
    """How pictures are brought to the network."""

    height: int
    width: int
    keeps_aspect: bool
    is_bgr: bool
    scale: float
    """Multiplies grey levels of 0 to 255."""
    scales_jpeg: bool = False
    """Whether JPEG is decoded at 1/2, 1/4 or 1/8 where that leaves the network enough pixels."""

    def needed(self, rows: int, columns: int) -> tuple[int, int]:
        """Return how many of a picture's rows and columns the network sees."""
        if self.keeps_aspect:
            return letterboxed_size(rows, columns, self.height, self.width)
        return self.height, self.width

    def bring(self, image: bytes, limits: ImageLimits, planes: Floats) -> Fit:
        """Decode a picture into its row (3, height, width) of a batch.

        Raises:
            InputError: it does not decode, or is over the limits.
        """
        picture = decode_image(image, limits, self.needed if self.scales_jpeg else None)
        bring = letterbox if self.keeps_aspect else stretch
        pixels, fit = bring(picture.pixels, self.height, self.width)
        write_planes(pixels, self.scale, self.is_bgr, planes)
        return fit.of_larger(picture.width, picture.height, picture.divisor)


@dataclass(frozen=True)
class Selection:
    """Which of a frame's candidates become detections."""

    score_threshold: float
    iou_threshold: float
    max_detections: int

    def __post_init__(self) -> None:
        for name in ("score_threshold", "iou_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: expected 0 to 1")
        if self.max_detections < 1:
            raise ValueError(f"max_detections is {self.max_detections}: expected at least 1")


@dataclass(frozen=True)
class Ready:
    """What a loaded detector consists of."""

    network: Network
    layout: Layout
    input_format: InputFormat
    selection: Selection
    labels: list[str]
    """By class id; a class beyond its end is called "class N"."""
    cores: Cores = field(default_factory=Cores)
    """Where frames are decoded."""

    def label(self, class_id: int) -> str:
        """Return the name of a class."""
        return self.labels[class_id] if class_id < len(self.labels) else f"class {class_id}"


@dataclass
class PreparedFrames:
    """B frames after decoding."""

    slots: list[Fit | InputError]
    """(B,) how a good frame was brought to the network's size; a bad frame's error."""
    uploaded: Any = None
    """Pixels of the good frames, as the network's `upload` returned them; None without any."""

    @property
    def fits(self) -> list[Fit]:
        """Of the good frames."""
        return [slot for slot in self.slots if isinstance(slot, Fit)]


class Detector(PreparedModel[VideoFrame, Detections]):
    """Finds objects in frames; a subclass's `load` sets `_ready`.

    A frame's result does not depend on its neighbours in the batch, but for the last digits.
    """

    event_type = VideoFrame
    result_type = Detections
    uses_gpu = True
    _limits = ImageLimits()
    _ready: Ready | None = None

    def prepare_batch(self, batch: Sequence[VideoFrame]) -> PreparedFrames:
        """Decode and fit frames on all cores, and send them to the device; thread-safe.

        A frame that does not decode is carried as its error.

        Args:
            batch: B frames; sizes may differ.
        """
        ready = self._loaded()
        wanted, network = ready.input_format, ready.network
        shape = (len(batch), 3, wanted.height, wanted.width)
        pixels = network.transfer.empty(shape, np.float32)

        def bring(row: int) -> Fit | InputError:
            try:
                return wanted.bring(batch[row].image, self._limits, pixels[row])
            except InputError as error:
                return error

        prepared = PreparedFrames(ready.cores.map(bring, range(len(batch))))
        good = _good_rows(prepared.slots, pixels)
        if len(good):
            prepared.uploaded = network.upload(good)
        return prepared

    def predict_prepared(self, prepared: PreparedFrames) -> Sequence[Answer[Detections]]:
        """Detect.

        Returns:
            B answers in input order: `Detections`, boxes in pixels of the original frame, cut at
            its edges, by descending score; or a frame's `InputError`.
        """
        found = iter(self._detect(prepared))
        return [slot if isinstance(slot, InputError) else next(found) for slot in prepared.slots]

    def warm_up(self) -> None:
        """Run once on a red picture."""
        self.predict_batch([VideoFrame.example()])

    def close(self) -> None:
        """Drop the network, and end the threads that decode."""
        if self._ready is not None:
            self._ready.cores.close()
        self._ready = None

    def _loaded(self) -> Ready:
        if self._ready is None:
            raise ModelError(f"model {self.name} is not loaded: call load(device) first")
        return self._ready

    def _detect(self, prepared: PreparedFrames) -> list[Detections]:
        if prepared.uploaded is None:
            return []
        ready = self._loaded()
        wanted, chosen = ready.input_format, ready.selection
        outputs = ready.network.run(prepared.uploaded)
        candidates = ready.layout.decode(outputs, wanted.height, wanted.width)
        return [
            _detections(
                ready,
                fit,
                select(
                    boxes,
                    scores,
                    score_threshold=chosen.score_threshold,
                    iou_threshold=chosen.iou_threshold,
                    max_detections=chosen.max_detections,
                ),
            )
            for boxes, scores, fit in zip(*candidates, prepared.fits, strict=True)
        ]


def _good_rows(slots: Sequence[Fit | InputError], pixels: Floats) -> Floats:
    """Return the rows that hold a picture, moved together at the front: bad frames left gaps."""
    rows = [row for row, slot in enumerate(slots) if isinstance(slot, Fit)]
    for place, row in enumerate(rows):
        if place != row:
            pixels[place] = pixels[row]
    return pixels[: len(rows)]


def _detections(ready: Ready, fit: Fit, selected: Selected) -> Detections:
    boxes = fit.to_original(selected.boxes).tolist()
    rows = zip(boxes, selected.scores.tolist(), selected.class_ids.tolist(), strict=True)
    found = [
        Detection(label=ready.label(class_id), class_id=class_id, score=score, box=tuple(box))
        for box, score, class_id in rows
    ]
    return Detections(width=fit.width, height=fit.height, detections=found)
