"""The global ids of one partition's clusters, as far as the picture is in the partition's log."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from models.snapshots import Snapshot
from schemas import GlobalClusterRecord

Ints = NDArray[np.int64]


class GlobalIds:
    """Which global cluster each of the partition's clusters is part of."""

    def __init__(self) -> None:
        """Start without any; the partition is not known yet."""
        self.partition = -1
        self.ids: dict[int, int] = {}
        """The partition's own cluster id -> the global id."""

    def note(self, record: GlobalClusterRecord) -> None:
        """Take over what a record of the picture says about this partition's clusters."""
        kept = {own: i for own, i in self.ids.items() if i != record.global_id}
        for member in record.members if record.status != "died" else ():
            if member.partition == self.partition:
                kept[member.cluster_id] = record.global_id
        self.ids = dict(sorted(kept.items()))

    def arrays(self) -> dict[str, Ints]:
        """Return what a snapshot needs."""
        pairs = np.array([*self.ids.items()], np.int64).reshape(len(self.ids), 2)
        return {"place": np.array([self.partition, len(pairs)], np.int64), "global_ids": pairs}

    @classmethod
    def of(cls, saved: Snapshot) -> Self:
        """Return those of a snapshot.

        Raises:
            ModelError: it is damaged.
        """
        integers = np.zeros(0, np.int64)
        made = cls()
        made.partition, number = saved.array("place", integers, 2).tolist()
        pairs = saved.array("global_ids", integers, number, 2).tolist()
        made.ids = {own: global_id for own, global_id in pairs}
        return made
