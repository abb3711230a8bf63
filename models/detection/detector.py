"""What every detector does around its network: decode, fit, run, select, map back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from models.base import Answer, ModelError, PreparedModel
from models.core_pool import CorePool
from models.detection.boxes import Selected, select
from models.detection.fitting import Fit
from models.detection.images import ImageLimits
from models.detection.input_format import InputFormat, Slots
from models.detection.layouts import Layout
from models.detection.networks import Network
from schemas import Detection, Detections, InputError, VideoFrame


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
    cores: CorePool = field(default_factory=CorePool)
    """Where frames are decoded."""

    def label(self, class_id: int) -> str:
        """Return the name of a class."""
        return self.labels[class_id] if class_id < len(self.labels) else f"class {class_id}"


@dataclass
class PreparedFrames:
    """B frames after decoding."""

    slots: Slots
    """(B,)"""
    uploaded: Any = None
    """Pixels of the good frames, as the network took them; None without any."""

    @property
    def fits(self) -> list[Fit]:
        """Of the good frames."""
        return [slot for slot in self.slots if isinstance(slot, Fit)]


class Detector(PreparedModel[VideoFrame, Detections]):
    """Finds objects in frames; a subclass's `load` sets `_ready`.

    A frame's result does not depend on its neighbors in the batch, but for the last digits.
    """

    event_type = VideoFrame
    result_type = Detections
    uses_gpu = True
    _limits = ImageLimits()
    _ready: Ready | None = None

    def prepare_batch(self, batch: Sequence[VideoFrame]) -> PreparedFrames:
        """Decode and fit frames, and send them to the device; thread-safe.

        A frame that does not decode is carried as its error.

        Args:
            batch: B frames; sizes may differ.
        """
        ready = self._loaded()
        images = [frame.image for frame in batch]
        transfer = ready.network.transfer
        slots, good = ready.input_format.bring_all(images, self._limits, ready.cores, transfer)
        return PreparedFrames(slots, ready.network.upload(good) if len(good) else None)

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


def _detections(ready: Ready, fit: Fit, selected: Selected) -> Detections:
    boxes = fit.to_original(selected.boxes).tolist()
    rows = zip(boxes, selected.scores.tolist(), selected.class_ids.tolist(), strict=True)
    found = [
        Detection(label=ready.label(class_id), class_id=class_id, score=score, box=tuple(box))
        for box, score, class_id in rows
    ]
    return Detections(width=fit.width, height=fit.height, detections=found)
