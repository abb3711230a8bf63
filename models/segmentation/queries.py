"""From the queries of a mask classifier (MaskFormer, Mask2Former) to objects.

Source: Cheng et al., 2021, "Per-Pixel Classification is Not All You Need for Semantic
Segmentation" (MaskFormer), arXiv:2107.06278, section 3.4; Mask2Former, arXiv:2112.01527, reads its
queries in the same way.
"""

from __future__ import annotations

import numpy as np

from models.segmentation.class_maps import Floats, interpolated
from models.segmentation.segmenter import RegionMap

#: A query's pixels are those where its mask is at least this likely.
_MASK_FROM = 0.5
#: An object is dropped if others cover more than the rest of its mask.
_MIN_VISIBLE_SHARE = 0.8


def to_objects(
    classes: Floats, masks: Floats, height: int, width: int, score_threshold: float
) -> RegionMap:
    """Return the objects of a frame, which don't overlap: panoptic segmentation.

    Args:
        classes: (Q, C + 1), class probabilities of each query; the last one is "no object".
        masks: (Q, h, w), probability of each pixel to belong to the query, in [0, 1].
        height: of the frame, pixels.
        width: of the frame, pixels.
        score_threshold: queries with a lower class probability are dropped.
    """
    class_ids, scores = classes.argmax(axis=1), classes.max(axis=1)
    kept = np.flatnonzero((class_ids < classes.shape[1] - 1) & (scores >= score_threshold))
    values = np.full((height, width), -1, np.int32)
    if not len(kept):
        return RegionMap(values, {})
    weights, masks = scores[kept].astype(np.float32)[:, None, None], masks[kept]
    whole = np.zeros(len(kept), np.int64)
    for part, likely in interpolated(masks, height, width):
        best = (likely * weights).argmax(axis=0)
        inside = np.take_along_axis(likely, best[None], axis=0)[0] >= _MASK_FROM
        values[part] = np.where(inside, best, -1)
        whole += (likely >= _MASK_FROM).sum(axis=(1, 2))
    visible = np.bincount(values[values >= 0], minlength=len(kept))
    is_hidden = visible < _MIN_VISIBLE_SHARE * whole
    values[(values >= 0) & is_hidden[values]] = -1
    return RegionMap(
        values,
        {index: int(class_ids[query]) for index, query in enumerate(kept)},
        {index: float(scores[query]) for index, query in enumerate(kept)},
    )


def to_class_scores(classes: Floats, masks: Floats) -> Floats:
    """Return class scores (C, h, w) of pixels: semantic segmentation; arguments as above."""
    scores: Floats = np.einsum("qc,qhw->chw", classes[:, :-1], masks)
    return scores
