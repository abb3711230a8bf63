"""What a detector found in a frame, read as an event: the results of one agent feed the next."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.detection import Detection
from schemas.event import Event


class DetectedFrame(Event, frozen=True, kw_only=True):
    """The value of a `Detections` result; fields that only results have are ignored."""

    width: Annotated[int, Meta(ge=1)]
    """Width of the frame, pixels."""
    height: Annotated[int, Meta(ge=1)]
    detections: Annotated[list[Detection], Meta(max_length=10_000)]
    """By descending score; boxes in pixels."""

    @classmethod
    def example(cls) -> Self:
        """Return a frame with one car."""
        car = Detection(label="car", class_id=0, score=0.9, box=(10.0, 20.0, 60.0, 50.0))
        return cls(
            source_id="camera-1",
            event_time_ms=1_700_000_000_000,
            event_id="f-1",
            width=640,
            height=384,
            detections=[car],
        )
