"""The centers of the clusters: positions, weights and ids."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from schemas import Cluster

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: A cluster is starved if its weight is less than this share of an even share.
_STARVED = 0.05


class Centers:
    """Up to k centers with F features, in the units of the features; an id is never used twice."""

    def __init__(self, k: int, num_features: int) -> None:
        self.k = k
        self.places: Floats = np.zeros((0, num_features))
        self.weights: Floats = np.zeros(0)
        """Numbers of events, older ones counting less."""
        self.ids: Ints = np.zeros(0, np.int64)
        self.next_id = 0

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, places: Floats) -> None:
        """Append clusters at positions (n, F), without events."""
        self.places = np.concatenate([self.places, places])
        self.weights = np.append(self.weights, np.zeros(len(places)))
        self.ids = np.append(self.ids, self.next_id + np.arange(len(places)))
        self.next_id += len(places)

    def has_room(self) -> bool:
        """Return whether there are fewer than k clusters, or one is starved."""
        even = self.weights.sum() / self.k
        return len(self) < self.k or bool(self.weights.min() < _STARVED * even)

    def admit(self, place: Floats) -> None:
        """Add a cluster at (F,) with a new id; the lightest one gives way if there are k."""
        if len(self) == self.k:
            kept = np.arange(self.k) != self.weights.argmin()
            self.places, self.weights = self.places[kept], self.weights[kept]
            self.ids = self.ids[kept]
        self.add(place[None])

    def move(self, sums: Floats, counts: Ints) -> None:
        """Move each center to the mean of its events, old and new.

        Args:
            sums: (k, F) of the new events' distances from their centers.
            counts: (k,) numbers of the new events.
        """
        self.weights = self.weights + counts
        self.places = self.places + sums / np.maximum(self.weights, 1e-300)[:, None]

    def to_clusters(self, features: list[str]) -> list[Cluster]:
        """Return the clusters, ordered by id."""
        rows = zip(self.ids.tolist(), self.places.tolist(), self.weights.tolist(), strict=True)
        return [Cluster(i, dict(zip(features, p, strict=True)), w) for i, p, w in rows]
