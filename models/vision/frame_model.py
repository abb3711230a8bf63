"""The base of models that answer each frame from one pass of an image network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from models.base import Answer, ModelError, PreparedModel
from models.core_pool import CorePool
from models.images import ImageLimits
from models.vision.image_input import FrameSize, ImageInput, Slots
from models.vision.networks import ImageNetwork
from schemas import InputError, VideoFrame

R = TypeVar("R")


@dataclass(frozen=True)
class Loaded:
    """The parts of a loaded model."""

    network: ImageNetwork
    image_input: ImageInput
    labels: list[str]
    """By class id."""
    cores: CorePool = field(default_factory=CorePool)
    """The pool that decodes frames."""


@dataclass
class PreparedFrames:
    """B frames after decoding."""

    slots: Slots
    """(B,)"""
    uploaded: Any = None
    """The good frames as `ImageNetwork.upload` returned them; None if no frame is good."""

    @property
    def sizes(self) -> list[FrameSize]:
        """The size of each good frame."""
        return [slot for slot in self.slots if isinstance(slot, FrameSize)]


class FrameModel(PreparedModel[VideoFrame, R], Generic[R]):
    """Answers frames; a subclass's `load` sets `_ready`, its `_answers` reads the outputs.

    A frame's result does not depend on other frames in the batch, except for the last digits.
    """

    event_type = VideoFrame
    uses_gpu = True
    _limits = ImageLimits()
    _ready: Loaded | None = None

    def prepare_batch(self, batch: Sequence[VideoFrame]) -> PreparedFrames:
        """Decode frames to the network's input and upload them; thread-safe.

        A frame that can't be decoded is passed on as its error.

        Args:
            batch: B frames; sizes may differ.
        """
        loaded = self._require_loaded()
        images = [frame.image for frame in batch]
        slots, good = loaded.image_input.decode_all(
            images, self._limits, loaded.cores, loaded.network.transfer
        )
        return PreparedFrames(slots, loaded.network.upload(good) if len(good) else None)

    def predict_prepared(self, prepared: PreparedFrames) -> Sequence[Answer[R]]:
        """Return B answers in input order: results, or a frame's `InputError`."""
        results: list[Answer[R]] = []
        if prepared.uploaded is not None:
            loaded = self._require_loaded()
            outputs = loaded.network.run(prepared.uploaded)
            results = self._answers(loaded, outputs, prepared.sizes)
        rest = iter(results)
        return [slot if isinstance(slot, InputError) else next(rest) for slot in prepared.slots]

    def warm_up(self) -> None:
        """Run once on a frame of one red pixel."""
        self.predict_batch([VideoFrame.example()])

    def close(self) -> None:
        """Drop the network and end the decoding threads."""
        if self._ready is not None:
            self._ready.cores.close()
        self._ready = None

    def _answers(
        self, loaded: Loaded, outputs: list[Any], sizes: list[FrameSize]
    ) -> list[Answer[R]]:
        """Return the result of each of the n good frames from the network's outputs."""
        raise NotImplementedError

    def _require_loaded(self) -> Loaded:
        if self._ready is None:
            raise ModelError(f"model {self.name} is not loaded: call load(device) first")
        return self._ready
