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

#: Points that are looked up at a time: their numbers fit into a core's cache.
_BLOCK = 512

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
    channels: tuple[str, ...]
    """Of which each has `PER_CHANNEL` features."""


def tree_scores(trees: Trees, parts: Sequence[Points]) -> Floats:
    """Return the scores (n,) of points with the same number of features, part after part.

    score = 2^-mean(log2(1 + density)) over the trees, in (0, 1].
    """
    leaves = trees.leaves(np.concatenate([part.points for part in parts]))
    starts = np.cumsum([0, *(len(part.points) for part in parts)]).tolist()
    scores = np.empty(starts[-1])
    for part, first in zip(parts, starts, strict=False):
        for start in range(0, len(part.points), _BLOCK):
            chosen = slice(start, start + _BLOCK)
            own = leaves[first + start : first + start + len(part.slots[chosen])]
            ended = _ends(trees, part.masses, part.slots[chosen], part.sizes[chosen], own)
            scores[first + start : first + start + len(own)] = ended
    return scores


def _ends(trees: Trees, masses: Masses, slots: Ints, sizes: Ints, leaves: Ints) -> Floats:
    """Return the scores (n,) of points that fall into `leaves` (n, trees) of their source's trees.

    A path ends at the first node with few readings, or at the leaf. There are never more below a
    node than in it, so the end is found by bisection.
    """
    flat, depth = masses.reshape(-1), trees.depth
    at = (slots * masses[0].size)[:, None] + trees.num_nodes * np.arange(trees.num_trees)
    limit = (SIZE_LIMIT * sizes)[:, None]
    low, high = np.zeros(leaves.shape, np.int64), np.full(leaves.shape, depth)
    for _ in range(depth.bit_length()):
        middle = (low + high) >> 1
        is_end = flat[at + node_at(leaves, middle, depth)] <= limit
        is_end |= middle == high
        high = np.where(is_end, middle, high)
        low = np.where(is_end, low, middle + 1)
    density = flat[at + node_at(leaves, high, depth)] * 2.0**high / sizes[:, None]
    scores: Floats = np.exp2(-np.log2(1.0 + density).mean(axis=1))
    return scores


def node_at(leaves: Ints, level: Ints, depth: int) -> Ints:
    """Return the node on the way to a leaf at a level; see `Trees.leaves`."""
    return (np.int64(1) << level) - 1 + (leaves >> (depth - level))


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
