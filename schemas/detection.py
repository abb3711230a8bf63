"""Objects found in frames."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class Detection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object in one frame."""

    label: str
    class_id: int
    """Index into the model's labels, from 0."""
    score: float
    """Confidence in [0, 1]."""
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 in pixels of the frame as a viewer shows it (turned by its EXIF orientation);
    x1 <= x2, y1 <= y2, inside the frame."""
    track_id: int | None = None
    """Number of the object at its camera, from 1, the same in every frame; None (left out of JSON):
    it belongs to no track, or no tracker has seen it."""


class Detections(Result, kw_only=True):
    """All objects found in one frame, by descending score; the list may be empty."""

    width: int
    """Width of the original frame, pixels."""
    height: int
    """Height of the original frame, pixels."""
    detections: list[Detection]
