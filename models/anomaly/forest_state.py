"""Convert the sources of `isolation_forest` to the arrays of a snapshot and back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.forest_source import Fit, Forest, ForestSource, Plan
from models.anomaly.isolation_trees import IsolationTrees
from models.base import ModelError
from models.snapshots import Snapshot

_COUNTS = 8
_TREES = ("features", "thresholds", "left", "right", "paths")


def pack_sources(sources: Sequence[ForestSource]) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Return the lists and arrays that `unpack_sources` reads: all sources concatenated."""
    names: dict[str, list[str]] = {"channels": [], "forest_channels": [], "pending_channels": []}
    counts, none = [], np.zeros(0)
    floats: dict[str, list[NDArray[Any]]] = {"rows": [none], "boxes": [none], "pending": [none]}
    trees: list[IsolationTrees] = []
    for source in sources:
        forest, fit = source.forest, source.pending
        names["channels"] += source.channels
        floats["rows"].append(source.rows.ravel())
        if forest is not None:
            names["forest_channels"] += forest.channels
            floats["boxes"].append(np.concatenate([forest.medians, forest.low, forest.high]))
            trees.append(forest.trees)
        if fit is not None:
            names["pending_channels"] += fit.channels
            floats["pending"].append(fit.rows.ravel())
        counts.append(
            [
                source.total,
                source.next_fit,
                len(source.channels),
                len(source.rows),
                0 if forest is None else len(forest.channels),
                0 if forest is None else forest.num_samples,
                0 if fit is None else fit.due,
                0 if fit is None else len(fit.rows),
            ]
        )
    arrays: dict[str, Any] = {name: np.concatenate(parts) for name, parts in floats.items()}
    arrays["counts"] = np.array(counts, np.int64).reshape(len(sources), _COUNTS)
    if trees:
        arrays |= {
            name: np.stack(parts)
            for name, parts in zip(_TREES, zip(*trees, strict=True), strict=True)
        }
    arrays["pending_widths"] = np.array(
        [len(s.pending.channels) if s.pending else 0 for s in sources], np.int64
    )
    return names, arrays


def unpack_sources(
    saved: Snapshot, count: int, plan: Plan, starts_fits: bool = True
) -> list[ForestSource]:
    """Return the sources in row order; the pending fits start again.

    Args:
        saved: the snapshot.
        count: number of its sources.
        plan: the options.
        starts_fits: False: the sources are only packed again, and their fits stay pending.

    Raises:
        ModelError: the counts do not fit together, or not the options or the arrays.
    """
    ints, nan = np.zeros(0, np.int64), np.array([np.nan])
    counts = saved.array("counts", ints, count, _COUNTS)
    widths = saved.array("pending_widths", ints, count)
    _, _, channels, held, forests, samples, _, pending = counts.T
    names = [saved.list_of(n) for n in ("channels", "forest_channels", "pending_channels")]
    totals = [int(channels.sum()), int(forests.sum()), int(widths.sum())]
    most = np.maximum(np.maximum(channels, forests), widths)
    fits = (most <= plan.max_channels) & (held <= plan.window) & (pending <= plan.window)
    fits &= (samples <= plan.max_samples) & ((samples >= 2) == (forests > 0))
    if not fits.all() or (counts < 0).any() or (widths < 0).any():
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    if totals != [len(each) for each in names]:
        raise ModelError(f"the channels in the snapshot of {saved.kind} do not fit: it is damaged")
    rows = _Reader(saved.array("rows", nan, int((channels * held).sum())))
    boxes = _Reader(saved.array("boxes", np.zeros(0), 3 * totals[1]))
    pendings = _Reader(saved.array("pending", nan, int((widths * pending).sum())))
    trees = _unpack_trees(saved, int((forests > 0).sum()), plan)
    lists = [iter(each) for each in names]
    sources = []
    for row, width in zip(counts.tolist(), widths.tolist(), strict=True):
        source = ForestSource(plan)
        source.total, source.next_fit, num, kept, of_forest, samples_, due, waiting = row
        source.channels = [next(lists[0]) for _ in range(num)]
        source.rows = rows.take(kept * num).reshape(kept, num)
        if of_forest:
            own = [next(lists[1]) for _ in range(of_forest)]
            medians, low, high = boxes.take(3 * of_forest).reshape(3, of_forest)
            source.forest = Forest(own, medians, low, high, next(trees), samples_)
            if (source.forest.trees.features >= of_forest).any():
                raise ModelError(f"the trees in the snapshot of {saved.kind} are out of range")
        if waiting:
            own = [next(lists[2]) for _ in range(width)]
            rows_ = pendings.take(waiting * width).reshape(waiting, width)
            if starts_fits:
                source.start_fit(due, own, rows_)
            else:
                source.pending = Fit(due, own, rows_, Future())
        sources.append(source)
    return sources


def _unpack_trees(saved: Snapshot, count: int, plan: Plan) -> Any:
    if not count:
        return iter(())
    shape = count, plan.trees, 2 * plan.max_samples - 1
    likes: list[NDArray[Any]] = [
        np.zeros(0, np.uint16),
        np.zeros(0),
        np.zeros(0, np.uint16),
        np.zeros(0, np.uint16),
    ]
    arrays = [
        saved.array(name, like, *shape)
        for name, like in zip(_TREES, [*likes, np.zeros(0)], strict=True)
    ]
    if max(int(arrays[2].max()), int(arrays[3].max())) >= shape[2]:
        raise ModelError(f"the trees in the snapshot of {saved.kind} are out of range")
    return (IsolationTrees(*parts) for parts in zip(*arrays, strict=True))


class _Reader:
    """Takes pieces of a flat array one after another."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._values, self._at = values, 0

    def take(self, count: int) -> NDArray[Any]:
        self._at += count
        return self._values[self._at - count : self._at].copy()
