"""Which pixels of a frame belong to which class or object."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class RunLengthMask(msgspec.Struct, frozen=True):
    """A mask in COCO's compressed run-length encoding; `pycocotools.mask.decode` reads it."""

    size: tuple[int, int]
    """Height and width of the original frame, pixels."""
    counts: str
    """Lengths of runs of 0 and 1 by turns, column by column, each as base-32 ASCII digits."""


class Region(msgspec.Struct, frozen=True):
    """The pixels of one class, or of one object of it."""

    label: str
    class_id: int
    """Index into the model's labels, from 0."""
    mask: RunLengthMask
    area: int
    """Number of pixels in the mask, at least 1."""
    box: tuple[float, float, float, float]
    """x1, y1, x2, y2 around the mask, in pixels of the original frame, as in `Detection`; COCO's
    `bbox` is x1, y1, x2 - x1, y2 - y1."""
    score: float | None = None
    """Confidence in [0, 1]; None if the model gives each pixel a class, and regions no score."""


class Segmentation(Result, kw_only=True):
    """The regions of one frame, by descending area; regions don't overlap."""

    width: int
    """Width of the original frame, pixels."""
    height: int
    """Height of the original frame, pixels."""
    regions: list[Region]
