"""The moving centers: places, weights and identities of clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.clustering.seeding import sum_by
from schemas import Cluster

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A cluster with less than this share of an even share of the weight gives its place up.
_STARVED = 0.05


class Centers:
    """Up to k centers of F features in the features' own units; an id is never used twice."""

    def __init__(self, k: int, num_features: int) -> None:
        self.k = k
        self.places: Floats = np.zeros((0, num_features))
        self.weights: Floats = np.zeros(0)
        """Decayed numbers of events."""
        self.ids: Ints = np.zeros(0, np.int64)
        self.next_id = 0

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, places: Floats) -> None:
        """Append clusters (n, F) that hold nothing yet."""
        self.places = np.concatenate([self.places, places])
        self.weights = np.append(self.weights, np.zeros(len(places)))
        self.ids = np.append(self.ids, self.next_id + np.arange(len(places)))
        self.next_id += len(places)

    def has_room(self) -> bool:
        """Return whether a place is free or its cluster starves."""
        even = self.weights.sum() / self.k
        return len(self) < self.k or bool(self.weights.min() < _STARVED * even)

    def admit(self, place: Floats) -> None:
        """Give (F,) a free place or that of the lightest cluster, under a new id."""
        if len(self) == self.k:
            kept = np.arange(self.k) != self.weights.argmin()
            self.places, self.weights = self.places[kept], self.weights[kept]
            self.ids = self.ids[kept]
        self.add(place[None])

    def move(self, index: Ints, values: Floats) -> None:
        """Move each center to the mean of what it holds, old and new.

        Args:
            index: (n,) the cluster of each event.
            values: (n, F) the events.
        """
        sums, counts = sum_by(index, values - self.places[index], len(self))
        self.weights = self.weights + counts
        self.places = self.places + sums / np.maximum(self.weights, 1e-300)[:, None]

    def described(self, features: list[str]) -> list[Cluster]:
        """Return the clusters by id; they lie in that order."""
        rows = zip(self.ids.tolist(), self.places.tolist(), self.weights.tolist(), strict=True)
        return [Cluster(i, dict(zip(features, p, strict=True)), w) for i, p, w in rows]
