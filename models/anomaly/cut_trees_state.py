"""Convert `CutTrees` to the arrays of a snapshot and back: boxes are made again from the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.cut_trees import CutTrees
from models.base import ModelError
from models.snapshots import Snapshot

Arrays = dict[str, NDArray[Any]]
_LINKS = ("left", "right", "parent", "feature")


def pack_trees(forests: Sequence[CutTrees]) -> Arrays:
    """Return the arrays that `unpack_trees` reads."""
    none, ints = np.zeros(0), np.zeros(0, np.int32)
    arrays: Arrays = {
        "tree_counts": np.array([forest.count for forest in forests], np.int64),
        "tree_roots": np.concatenate([np.zeros(0, np.int64), *(f.root for f in forests)]),
        "tree_cuts": np.concatenate([none, *(f.cut.ravel() for f in forests)]),
        "tree_points": np.concatenate(
            [none, *(f.low[:, f.max_samples - 1 :].ravel() for f in forests)]
        ),
    }
    for name in _LINKS:
        arrays[f"tree_{name}"] = np.concatenate(
            [ints, *(getattr(f, name).ravel() for f in forests)]
        )
    return arrays


def unpack_trees(
    saved: Snapshot, num_trees: int, max_samples: int, sizes: Sequence[int]
) -> list[CutTrees]:
    """Return the trees of each source.

    Args:
        saved: the snapshot.
        num_trees: of each source.
        max_samples: of each tree.
        sizes: numbers of features of the sources.

    Raises:
        ModelError: an array does not fit, or what it contains is no tree.
    """
    count, nodes = len(sizes), 2 * max_samples - 1
    counts = saved.array("tree_counts", np.zeros(0, np.int64), count)
    roots = saved.array("tree_roots", np.zeros(0, np.int64), count * num_trees)
    cuts = saved.array("tree_cuts", np.zeros(0), count * num_trees * nodes)
    widths = [num_trees * max_samples * size for size in sizes]
    points = saved.array("tree_points", np.zeros(0), sum(widths))
    links = {name: saved.array(f"tree_{name}", np.zeros(0, np.int32), len(cuts)) for name in _LINKS}
    if not (np.isfinite(cuts).all() and np.isfinite(points).all()):
        raise ModelError(f"the trees in the snapshot of {saved.kind} are out of range")
    forests, ends = [], np.cumsum(widths)
    for at, size in enumerate(sizes):
        forest = CutTrees(num_trees, max_samples, size)
        own = slice(at * num_trees * nodes, (at + 1) * num_trees * nodes)
        forest.count = int(counts[at])
        forest.root = roots[at * num_trees : (at + 1) * num_trees].copy()
        forest.cut = cuts[own].reshape(num_trees, nodes)
        for name, values in links.items():
            setattr(forest, name, values[own].reshape(num_trees, nodes))
        own_points = points[ends[at] - widths[at] : ends[at]]
        leaves = own_points.reshape(num_trees, max_samples, size)
        if not forest.rebuild(leaves):
            raise ModelError(f"the trees in the snapshot of {saved.kind} are damaged")
        forests.append(forest)
    return forests
