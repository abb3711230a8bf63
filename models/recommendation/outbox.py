"""What a recommender's partition has learned since its last summary for the other partitions.

Counts add: a summary has the interactions themselves, each as an item and what its user had before,
so that the others count the same pairs. Vectors move by the sum of all partitions' steps, as in
distributed gradient descent with delayed updates: all partitions start an item's vector at the same
point, and a summary has how far this partition's own steps have moved it. What rounding leaves over
stays for the next summary.

Sources: Recht et al., 2011, "Hogwild!: A Lock-Free Approach to Parallelizing Stochastic Gradient
Descent", NIPS (steps with delay); Seide et al., 2014, "1-Bit Stochastic Gradient Descent",
Interspeech (what rounding leaves over is sent later).
"""

from __future__ import annotations

import base64

import numpy as np
from numpy.typing import NDArray

from models.recommendation.cooccurrence import WINDOW
from models.recommendation.tables import NO_ROW, Floats, Ints, Items, Rows
from schemas.item_summary import NO_ITEM, ItemSummary

#: Longest learning step: so many interactions may come beyond `share_every`.
LONGEST_STEP = 64


class Outbox:
    """The interactions of one model that are not yet published, by the model's item numbers."""

    def __init__(self, share_every: int) -> None:
        """Make it empty; a summary is due after `share_every` interactions."""
        self.share_every = share_every
        self._windows: Rows = np.zeros((share_every + LONGEST_STEP, 1 + WINDOW), np.int32)
        self._weights: Floats = np.zeros(len(self._windows))
        self._count = 0
        self.changes: dict[int, bool] = {}
        """Item number -> whether it was removed or restored last."""

    @property
    def windows(self) -> Rows:
        """(n, 1 + WINDOW) numbers of items: the interaction's and those before it."""
        return self._windows[: self._count]

    @property
    def weights(self) -> Floats:
        """Their weights (n,)."""
        return self._weights[: self._count]

    @property
    def is_due(self) -> bool:
        """Whether a summary is to be published: after enough interactions, or a removal."""
        return self._count >= self.share_every or bool(self.changes)

    def add(self, windows: Rows, weights: Floats) -> None:
        """Append interactions (n, 1 + WINDOW)."""
        stop = self._count + len(windows)
        self._windows[self._count : stop], self._weights[self._count : stop] = windows, weights
        self._count = stop

    def clear(self) -> None:
        """Forget all, after it was published."""
        self._count, self.changes = 0, {}

    def forget(self, slots: Ints) -> None:
        """Remove items whose numbers will be used for others."""
        windows = self.windows
        windows[np.isin(windows, slots)] = NO_ROW
        self.changes = {s: r for s, r in self.changes.items() if s not in set(slots.tolist())}


def moved_vectors(items: Items, slots: Ints, row_of: Ints) -> tuple[Ints, NDArray[np.float16]]:
    """Return rows (f,) of items and how far own steps moved their vectors (f, dimensions).

    Args:
        items: the table.
        slots: (f,) item numbers.
        row_of: (num_slots,) the row of each.
    """
    rows = row_of[slots]
    moved = np.clip(items.factors[rows] - items.sent[rows], -1e4, 1e4)
    return rows, moved.astype("<f2")


def summary_slots(outbox: Outbox) -> tuple[Ints, Ints]:
    """Return the numbers of all items of a summary, and of those that were interacted with.

    The latter come first, both in the order in which they are met.
    """
    used = outbox.windows[outbox.windows[:, 0] != NO_ROW]
    own = _distinct(used[:, 0].astype(np.int64))
    others = np.concatenate([used.ravel(), np.array(list(outbox.changes), np.int64)])
    every = _distinct(np.concatenate([own, others[others != NO_ROW]]).astype(np.int64))
    return every, own


def summary_of(outbox: Outbox, items: Items, row_of: Ints, names: list[str]) -> ItemSummary:
    """Return what is to be published; changes nothing."""
    slots, own = summary_slots(outbox)
    number = np.full(len(row_of) + 1, NO_ITEM)  # the last one stands for NO_ROW
    number[slots] = np.arange(len(slots))
    kept = outbox.windows[:, 0] != NO_ROW
    factors = moved_vectors(items, own, row_of)[1]
    return ItemSummary(
        items=[names[slot] for slot in slots.tolist()],
        windows=_packed(number[outbox.windows[kept]].astype("<u2")),
        weights=outbox.weights[kept].tolist(),
        factors=_packed(factors),
        dimensions=items.dimensions,
        removed=[int(number[slot]) for slot, removed in outbox.changes.items() if removed],
        restored=[int(number[slot]) for slot, removed in outbox.changes.items() if not removed],
    )


def note_published(outbox: Outbox, items: Items, row_of: Ints) -> None:
    """Empty the outbox, and remember how far the vectors are published."""
    own = summary_slots(outbox)[1]
    rows, moved = moved_vectors(items, own, row_of)
    items.sent[rows] += moved.astype(np.float32)
    outbox.clear()


def _distinct(numbers: Ints) -> Ints:
    """Return distinct numbers in the order in which they are met."""
    _, first = np.unique(numbers, return_index=True)
    return numbers[np.sort(first)]


def _packed(numbers: NDArray[np.uint16] | NDArray[np.float16]) -> str:
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()
