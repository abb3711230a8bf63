"""Groups keep their ids across time: the id goes where most of the weight of its members goes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Inheritance(NamedTuple):
    """The ids of the groups."""

    ids: list[int]
    """Of group 0, 1, 2 ..."""
    parents: list[list[int]]
    """Of each group, the earlier ids of its members, the heaviest first."""
    next_id: int


def inherit_ids(groups: Ints, weights: Floats, earlier: Ints, next_id: int) -> Inheritance:
    """Give each group of members the earlier id with which it shares most weight.

    Pairs of a group and an earlier id are taken by descending shared weight, each once; of equal
    ones, the lower id and then the lower group first. Groups that are left get new ids.

    Args:
        groups: (n,) the group of each member, 0 to G - 1.
        weights: (n,) of the members.
        earlier: (n,) the id that each member had; -1: none.
        next_id: the first id that was never used.
    """
    shared: dict[tuple[int, int], float] = {}
    for group, old, weight in zip(groups.tolist(), earlier.tolist(), weights.tolist(), strict=True):
        if old >= 0:
            shared[old, group] = shared.get((old, group), 0.0) + weight
    ranked = sorted(shared, key=lambda pair: (-shared[pair], *pair))
    count = int(groups.max()) + 1 if len(groups) else 0
    ids, parents, used = [-1] * count, [[] for _ in range(count)], set()  # type: ignore[var-annotated]
    for old, group in ranked:
        parents[group].append(old)
        if ids[group] < 0 and old not in used:
            ids[group] = old
            used.add(old)
    for group in range(count):
        if ids[group] < 0:
            ids[group] = next_id
            next_id += 1
    return Inheritance(ids, parents, next_id)
