"""The base of all segmenters: from a map of regions to masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.base import Answer
from models.segmentation.class_maps import ClassMap, class_map, resize_map
from models.segmentation.run_length import encode_regions
from models.vision.frame_model import FrameModel, Loaded
from models.vision.image_input import FrameSize
from schemas import InputError, Region, RunLengthMask, Segmentation


@dataclass(frozen=True)
class RegionMap:
    """The regions of one frame."""

    values: ClassMap
    """(H, W): the region of each pixel; -1 for none."""
    class_ids: Mapping[int, int] | None = None
    """Region -> its class; None: a region's number is its class."""
    scores: Mapping[int, float] = field(default_factory=dict)
    """Region -> confidence in [0, 1], where there is one."""


class Segmenter(FrameModel[Segmentation]):
    """Segments frames; a subclass's `load` sets `_ready`."""

    result_type = Segmentation
    _background: int | None = None
    """The class that is not reported; None: all are."""

    def _answers(
        self, loaded: Loaded, outputs: list[Any], sizes: list[FrameSize]
    ) -> list[Answer[Segmentation]]:
        def answer(index: int) -> Answer[Segmentation]:
            try:
                regions = self._region_map([o[index] for o in outputs], sizes[index])
            except InputError as error:
                return error
            return to_segmentation(regions, loaded.labels, self._background)

        return loaded.cores.map(answer, range(len(sizes)))

    def _region_map(self, outputs: list[Any], size: FrameSize) -> RegionMap:
        """Return a frame's regions from its row of each output: class scores (C, h, w)."""
        return semantic_map(outputs[0], size)


def semantic_map(output: Any, size: FrameSize) -> RegionMap:
    """Return the class of each pixel from class scores (C, h, w) or classes (h, w).

    Raises:
        InputError: scores are not finite.
    """
    scores = output if isinstance(output, np.ndarray) else output.float().cpu().numpy()
    if scores.ndim == 2:
        return RegionMap(resize_map(scores, size.height, size.width))
    if not np.isfinite(scores).all():
        raise InputError("the model's class scores are not finite numbers for this frame")
    return RegionMap(class_map(scores, size.height, size.width))


def to_segmentation(
    regions: RegionMap, labels: list[str], background: int | None = None
) -> Segmentation:
    """Return the result of a frame: its regions by descending area."""
    height, width = regions.values.shape
    found = []
    for encoded in encode_regions(regions.values):
        class_id = regions.class_ids.get(encoded.value) if regions.class_ids else encoded.value
        if encoded.value < 0 or class_id is None or class_id == background:
            continue
        found.append(
            Region(
                label=labels[class_id] if class_id < len(labels) else f"class {class_id}",
                class_id=class_id,
                mask=RunLengthMask((height, width), encoded.counts),
                area=encoded.area,
                box=encoded.box,
                score=regions.scores.get(encoded.value),
            )
        )
    found.sort(key=lambda region: (-region.area, region.class_id))
    return Segmentation(width=width, height=height, regions=found)
