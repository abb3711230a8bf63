"""Learn the summaries that other partitions have published: each once, in the order of the log."""

from __future__ import annotations

import base64

import numpy as np

from models.recommendation.cooccurrence import WINDOW, count_items, learn_pairs
from models.recommendation.partition import Partition
from models.recommendation.tables import NO_ROW, Floats, Ints
from schemas.item_summary import NO_ITEM, ItemSummaryRecord

#: Interactions that are counted at once. Of new pairs that compete for a place, some are lost.
_CHUNK = 64
#: Partitions of which the last summary is remembered; beyond, the one heard longest ago is not.
_MOST_SOURCES = 4096
#: Vectors don't move farther than this at once.
_FARTHEST = 1.0


class Inbox:
    """The last summary of each other partition, and what happened to summaries."""

    def __init__(self) -> None:
        self.heard: dict[str, int] = {}
        """`agent:partition` -> sequence of its last summary; the one heard last comes last."""
        self._incidents: dict[str, int] = {}

    def take(
        self, summary: ItemSummaryRecord, own_partition: int | None, partition: Partition
    ) -> bool:
        """Note a summary; return whether it is to be learned.

        The partition's own is not, nor one that was learned already: a copy may be written twice
        after a crash. One that does not fit is counted (`refused_summary`).
        """
        if summary.partition == own_partition:
            return False
        source = f"{summary.agent}:{summary.partition}"
        if summary.sequence <= self.heard.get(source, -1):
            self._count("stale_summary")
            return False
        if not _fits(summary, partition):
            self._count("refused_summary")
            return False
        self.heard.pop(source, None)
        self.heard[source] = summary.sequence
        if len(self.heard) > _MOST_SOURCES:
            del self.heard[next(iter(self.heard))]
        return True

    def _count(self, kind: str) -> None:
        self._incidents[kind] = self._incidents.get(kind, 0) + 1

    def take_incidents(self) -> dict[str, int]:
        """Return how many summaries came twice or did not fit since the last call."""
        incidents, self._incidents = self._incidents, {}
        return incidents


def _fits(summary: ItemSummaryRecord, partition: Partition) -> bool:
    """Return whether windows have our length, vectors our axes, and the items fit the table."""
    items = partition.item_table
    width = len(base64.b64decode(summary.windows)) // 2 // max(len(summary.weights), 1)
    return (
        (width == 1 + WINDOW or not summary.weights)
        and (summary.dimensions == items.dimensions or not summary.factors)
        and len(summary.items) <= partition.items.keys.max_keys // 2
    )


def learn_summary(partition: Partition, summary: ItemSummaryRecord, uses_pairs: bool) -> None:
    """Learn what another partition has learned; its interactions count as own ones do."""
    items = partition.item_table
    rows = np.array([partition.claim_item(name) for name in summary.items], np.int64)
    for is_removed, numbers in ((True, summary.removed), (False, summary.restored)):
        items.is_removed[rows[np.array(numbers, np.int64)]] = is_removed
    raw = np.frombuffer(base64.b64decode(summary.windows), "<u2").astype(np.int64)
    windows = np.append(rows, NO_ROW)[np.where(raw == NO_ITEM, len(rows), raw)]
    windows = windows.reshape(len(summary.weights), 1 + WINDOW)
    weights = np.array(summary.weights)
    for first in range(0, len(weights), _CHUNK):
        part = slice(first, first + _CHUNK)
        _count(partition, windows[part], weights[part], uses_pairs)
    if summary.factors:
        moved = np.frombuffer(base64.b64decode(summary.factors), "<f2").astype(np.float32)
        moved = np.clip(moved.reshape(-1, items.dimensions), -_FARTHEST, _FARTHEST)
        # Not moved by own steps: so it does not count as such in the next summary.
        items.factors[rows[: len(moved)]] += moved
        items.sent[rows[: len(moved)]] += moved
    partition.after_step()


def _count(partition: Partition, windows: Ints, weights: Floats, uses_pairs: bool) -> None:
    items, rows = partition.item_table, windows[:, 0]
    unit = np.full(len(rows), partition.clock.unit(partition.step))
    if uses_pairs:
        learn_pairs(items, rows, windows[:, 1:], weights * unit)
        count_items(items, rows, weights * unit, unit)
    popular_unit = partition.popular_clock.unit(partition.step)
    np.add.at(items.popularity, rows, weights * popular_unit)
    partition.step += len(rows)
