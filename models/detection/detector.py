"""What every detector does around its network: decode, fit, run, select, map back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.base import Answer, ModelError, PreparedModel
from models.detection.boxes import Floats, Selected, select
from models.detection.images import Fit, ImageLimits, Pixels, decode_image, letterbox, stretch
from models.detection.layouts import Layout
from models.detection.networks import Network, batch_of
from schemas import Detection, Detections, InputError, VideoFrame

_BLACK = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class InputFormat:
    """How pictures are brought to the network."""

    height: int
    width: int
    keeps_aspect: bool
    is_bgr: bool
    scale: float
    """Multiplies grey levels of 0 to 255."""


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

    def label(self, class_id: int) -> str:
        """Return the name of a class."""
        return self.labels[class_id] if class_id < len(self.labels) else f"class {class_id}"


@dataclass
class PreparedFrames:
    """B frames after decoding."""

    slots: list[int | InputError]
    """(B,) a good frame's row in `pixels`, a bad frame's error."""
    fits: list[Fit] = field(default_factory=list)
    """One a good frame."""
    pixels: Floats | None = None
    """(G, 3, H, W) float32 for G good frames; None if there are none."""


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
        """Decode and fit frames; thread-safe. A frame that does not decode is carried as its error.

        Args:
            batch: B frames; sizes may differ.
        """
        wanted = self._loaded().input_format
        fit = letterbox if wanted.keeps_aspect else stretch
        images: list[Pixels] = []
        prepared = PreparedFrames([])
        for frame in batch:
            try:
                image = decode_image(frame.image, self._limits)
            except InputError as error:
                prepared.slots.append(error)
                continue
            fitted, how = fit(image, wanted.height, wanted.width)
            prepared.slots.append(len(images))
            images.append(fitted)
            prepared.fits.append(how)
        if images:
            prepared.pixels = batch_of(images, wanted.scale, wanted.is_bgr)
        return prepared

    def predict_prepared(self, prepared: PreparedFrames) -> Sequence[Answer[Detections]]:
        """Detect.

        Returns:
            B answers in input order: `Detections`, boxes in pixels of the original frame, cut at
            its edges, by descending score; or a frame's `InputError`.
        """
        found = self._detect(prepared)
        return [slot if isinstance(slot, InputError) else found[slot] for slot in prepared.slots]

    def warm_up(self) -> None:
        """Run once on a black picture."""
        wanted = self._loaded().input_format
        black, how = stretch(_BLACK, wanted.height, wanted.width)
        pixels = batch_of([black], wanted.scale, wanted.is_bgr)
        self._detect(PreparedFrames([0], [how], pixels))

    def close(self) -> None:
        """Drop the network."""
        self._ready = None

    def _loaded(self) -> Ready:
        if self._ready is None:
            raise ModelError(f"model {self.name} is not loaded: call load(device) first")
        return self._ready

    def _detect(self, prepared: PreparedFrames) -> list[Detections]:
        if prepared.pixels is None:
            return []
        ready = self._loaded()
        wanted, chosen = ready.input_format, ready.selection
        outputs = ready.network.run(prepared.pixels)
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


def _detections(ready: Ready, fit: Fit, selected: Selected) -> Detections:
    boxes = fit.to_original(selected.boxes).tolist()
    rows = zip(boxes, selected.scores.tolist(), selected.class_ids.tolist(), strict=True)
    found = [
        Detection(label=ready.label(class_id), class_id=class_id, score=score, box=tuple(box))
        for box, score, class_id in rows
    ]
    return Detections(width=fit.width, height=fit.height, detections=found)
