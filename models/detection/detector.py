"""The base of all detectors: decode frames, run the network, select boxes, map them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.base import Answer, ModelError, PreparedModel
from models.core_pool import CorePool
from models.detection.boxes import (
    Candidates,
    NetworkOutputError,
    Selected,
    Suppress,
    choose,
    nms_of_frames,
)
from models.detection.fitting import Fit
from models.detection.input_format import InputFormat, Slots
from models.detection.layouts import Found, InputSize, Overlap
from models.detection.networks import Network, Part
from models.images import ImageLimits
from schemas import Detection, Detections, InputError, VideoFrame
from schemas.errors import ModelFailedError


@dataclass(frozen=True)
class Selection:
    """How a frame's detections are selected from the network's candidates."""

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
class LoadedDetector:
    """The parts of a loaded detector."""

    network: Network
    found: Found
    """The layout, and the outputs that it reads."""
    input_format: InputFormat
    selection: Selection
    labels: list[str]
    """By class id; a class without a label is called "class N"."""
    suppress: Suppress = nms_of_frames
    """Drops overlapping boxes, on the network's device."""
    cores: CorePool = field(default_factory=CorePool)
    """The pool that decodes frames."""

    def label(self, class_id: int) -> str:
        """Return the name of a class."""
        return self.labels[class_id] if class_id < len(self.labels) else f"class {class_id}"


@dataclass
class PreparedFrames:
    """B frames after decoding."""

    slots: Slots
    """(B,)"""
    uploaded: Any = None
    """The good frames' pixels as `Network.upload` returned them; None if no frame is good."""

    @property
    def fits(self) -> list[Fit]:
        """How each good frame was fitted to the network's size."""
        return [slot for slot in self.slots if isinstance(slot, Fit)]


class Detector(PreparedModel[VideoFrame, Detections]):
    """Finds objects in frames; a subclass's `load` sets `_ready`.

    A frame's result does not depend on other frames in the batch, except for the last digits.
    """

    event_type = VideoFrame
    result_type = Detections
    uses_gpu = True
    _limits = ImageLimits()
    _ready: LoadedDetector | None = None

    def prepare_batch(self, batch: Sequence[VideoFrame]) -> PreparedFrames:
        """Decode frames, fit them to the network's size, and upload them; thread-safe.

        A frame that can't be decoded is passed on as its error.

        Args:
            batch: B frames; sizes may differ.
        """
        loaded = self._require_loaded()
        images = [frame.image for frame in batch]
        transfer = loaded.network.transfer
        slots, good = loaded.input_format.decode_all(images, self._limits, loaded.cores, transfer)
        return PreparedFrames(slots, loaded.network.upload(good) if len(good) else None)

    def predict_prepared(self, prepared: PreparedFrames) -> Sequence[Answer[Detections]]:
        """Detect objects.

        Returns:
            B answers in input order: `Detections` by descending score, with boxes in pixels of the
            original frame and clipped to it; or a frame's `InputError`.
        """
        results = iter(self._detect(prepared))
        return [slot if isinstance(slot, InputError) else next(results) for slot in prepared.slots]

    def warm_up(self) -> None:
        """Run once on a frame of one red pixel."""
        self.predict_batch([VideoFrame.example()])

    def close(self) -> None:
        """Drop the network and end the decoding threads."""
        if self._ready is not None:
            self._ready.cores.close()
            self._ready.network.close()
        self._ready = None

    def _require_loaded(self) -> LoadedDetector:
        if self._ready is None:
            raise ModelError(f"model {self.name} is not loaded: call load(device) first")
        return self._ready

    def _detect(self, prepared: PreparedFrames) -> list[Answer[Detections]]:
        if prepared.uploaded is None:
            return []
        loaded = self._require_loaded()
        parts = loaded.network.run(prepared.uploaded)
        # NaN and infinity of a network are an error of their frame, not a warning on stderr.
        with np.errstate(all="ignore"):
            rows = [row for part in parts for row in _candidates(loaded, part)]
            chosen = [_chosen(loaded, row) for row in rows]
            kept = iter(_suppressed(loaded, [c for c in chosen if isinstance(c, Selected)]))
            return [
                _detections(loaded, fit, next(kept)) if isinstance(c, Selected) else c
                for fit, c in zip(prepared.fits, chosen, strict=True)
            ]


def _candidates(loaded: LoadedDetector, part: Part) -> list[Candidates]:
    """Return each picture's candidates."""
    size = InputSize(loaded.input_format.height, loaded.input_format.width)
    boxes, scores, class_ids = loaded.found.layout.read(
        [part.outputs[i] for i in loaded.found.order], size
    )
    return [
        Candidates(boxes[i], scores[i], None if class_ids is None else class_ids[i])
        for i in range(part.size)
    ]


def _chosen(loaded: LoadedDetector, candidates: Candidates) -> Selected | InputError:
    try:
        return choose(
            *candidates,
            score_threshold=loaded.selection.score_threshold,
            is_multi_label=loaded.found.layout.is_multi_label,
        )
    except NetworkOutputError as error:
        return ModelFailedError(error, attempts=1)


def _suppressed(loaded: LoadedDetector, frames: list[Selected]) -> list[Selected]:
    """Return what is left of each frame's candidates."""
    selection, most = loaded.selection, loaded.selection.max_detections
    if loaded.found.layout.overlap is Overlap.DONE_IN_GRAPH:
        return [frame.rows(np.arange(min(len(frame.scores), most))) for frame in frames]
    kept = loaded.suppress(frames, selection.iou_threshold, most)
    return [frame.rows(rows) for frame, rows in zip(frames, kept, strict=True)]


def _detections(loaded: LoadedDetector, fit: Fit, selected: Selected) -> Detections:
    boxes = fit.to_original(selected.boxes).tolist()
    rows = zip(boxes, selected.scores.tolist(), selected.class_ids.tolist(), strict=True)
    detections = [
        Detection(label=loaded.label(class_id), class_id=class_id, score=score, box=tuple(box))
        for box, score, class_id in rows
    ]
    return Detections(width=fit.width, height=fit.height, detections=detections)
