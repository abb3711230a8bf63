"""Score readings of many sources by half-space trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.anomaly.trees import Trees

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Masses = NDArray[np.uint16]

#: A path ends at a node with this share of the reference or less. The paper has 0.1, for windows
#: of 250.
SIZE_LIMIT = 0.02

#: The score with the surprise 3, and from which more of it counts by the number of nines.
_CLEAR_SCORE, _CLEAR_SURPRISE = 0.985, 3.0


class Points(NamedTuple):
    """Readings of one model that have the same number of features, n of them."""

    masses: Masses
    """The model's: (slots, trees, nodes)."""
    slots: Ints
    """(n,) of each reading's source."""
    sizes: Ints
    """(n,) of each source's reference."""
    points: Floats
    """(n, features), scaled."""
    positions: Ints
    """(n,) of each reading, in all batches together."""


def tree_scores(trees: Trees, parts: Sequence[Points]) -> Floats:
    """Return the scores (n,) of points with the same number of features, part after part.

    score = 2^-mean(log2(1 + density)) over the trees, in (0, 1].
    """
    points = np.concatenate([part.points for part in parts])
    sizes = np.concatenate([part.sizes for part in parts])
    paths = trees.paths(points)
    numbers = np.arange(trees.num_trees)[:, None]
    stops = np.cumsum([len(part.points) for part in parts]).tolist()
    masses = np.concatenate(
        [
            part.masses[part.slots[:, None, None], numbers, paths[stop - len(part.points) : stop]]
            for part, stop in zip(parts, stops, strict=True)
        ]
    )
    is_end = masses <= SIZE_LIMIT * sizes[:, None, None]
    is_end[..., -1] = True
    level = is_end.argmax(axis=2)
    mass = np.take_along_axis(masses, level[..., None], axis=2)[..., 0]
    density = mass * 2.0**level / sizes[:, None]
    scores: Floats = np.exp2(-np.log2(1.0 + density).mean(axis=1))
    return scores


def surprise_bound(scores: Floats) -> Floats:
    """Return the largest surprise (n,) that scores (n,) in (0, 1] have for any source.

    Proportional up to the score of an almost empty cell; above, one more for each nine. Chosen on
    NAB.
    """
    rest = np.maximum(1.0 - scores, 1e-9) / (1.0 - _CLEAR_SCORE)
    return np.where(
        scores < _CLEAR_SCORE,
        _CLEAR_SURPRISE * scores / _CLEAR_SCORE,
        _CLEAR_SURPRISE - np.log10(np.minimum(rest, 1.0)),
    )
