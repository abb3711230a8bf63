"""Divide data into a part to train on and a held-out part."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


def split_rows(count: int, held_out: float, seed: int) -> tuple[Rows, Rows]:
    """Return the rows to train on and the others, both ascending.

    Args:
        count: of rows.
        held_out: share of the others, in [0, 1).
        seed: the same gives the same parts.
    """
    order = np.random.default_rng((seed, 2)).permutation(count)
    kept = count - round(count * held_out)
    return np.sort(order[:kept]), np.sort(order[kept:])


def split_by_class(classes: Sequence[Hashable], held_out: float, seed: int) -> tuple[Rows, Rows]:
    """Return the same as `split_rows`, with the share taken of each class; each keeps one row."""
    train, others = [], []
    names = list(dict.fromkeys(classes))
    for number, name in enumerate(names):
        rows = np.array([i for i, c in enumerate(classes) if c == name], np.int64)
        kept, left = split_rows(len(rows), held_out, seed + number)
        if not len(kept):
            kept, left = left[:1], left[1:]
        train.append(rows[kept])
        others.append(rows[left])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(others))
