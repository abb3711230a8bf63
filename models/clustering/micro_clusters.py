"""Micro-clusters: additive summaries of the events near each other, as columns of arrays.

A micro-cluster is the weight, the mean and the sum of squared deviations of its events, and when
they came. It is the feature vector CF of Zhang et al., 1996, "BIRCH", SIGMOD, with the time of
Aggarwal et al., 2003 ("CluStream"), in the form whose rounding errors stay small (Chan et al.,
1983): two of them add up to the one of all their events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.snapshots import Snapshot

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

#: Columns of numbers and of integers, one value for each micro-cluster.
_FLOATS = ("weights", "times", "time_squares", "created")
_INTS = ("ids", "groups")


class MicroClusters:
    """P micro-clusters with F features, in the order in which they were made."""

    def __init__(self, num_features: int) -> None:
        """Start without any."""
        self.weights: Floats = np.zeros(0)
        """(P,) numbers of events, older ones counting less."""
        self.means: Floats = np.zeros((0, num_features))
        """(P, F)."""
        self.squares: Floats = np.zeros((0, num_features))
        """(P, F) sums of squared deviations from the mean."""
        self.times: Floats = np.zeros(0)
        """(P,) mean time of the events, as the number of events learned before."""
        self.time_squares: Floats = np.zeros(0)
        """(P,) sums of squared deviations of the times."""
        self.created: Floats = np.zeros(0)
        """(P,) the time of the first event."""
        self.ids: Ints = np.zeros(0, np.int64)
        """(P,) an id is never used twice."""
        self.groups: Ints = np.zeros(0, np.int64)
        """(P,) the cluster that each belongs to; -1: none yet."""
        self.is_settled: Bools = np.zeros(0, np.bool_)
        """(P,) whether it takes part in clusters; the others may be outliers."""
        self.next_id = 0

    def __len__(self) -> int:
        return len(self.weights)

    def fade(self, factor: float) -> None:
        """Multiply the weight of all events so far."""
        self.weights = self.weights * factor
        self.squares = self.squares * factor
        self.time_squares = self.time_squares * factor

    def variances(self, unit: Floats, chosen: Ints) -> Floats:
        """Return the mean squared distance of the events from their mean, in scaled units.

        Args:
            unit: (F,) of `FeatureSpace`.
            chosen: (n,) positions.
        """
        sums = (self.squares[chosen] / unit**2).sum(axis=1)
        return np.asarray(sums / np.maximum(self.weights[chosen], 1e-300))

    def add(self, index: Ints, values: Floats, times: Floats) -> None:
        """Add each event (n, F) to the micro-cluster at its index (n,)."""
        self.put(self.sums(index, values, times))

    def sums(self, index: Ints, values: Floats, times: Floats) -> MicroSums:
        """Return what `add` would make of the micro-clusters that get an event."""
        at, inverse = np.unique(index, return_inverse=True)
        if not len(at):
            nothing = np.zeros((0, values.shape[1] + 1))
            return MicroSums(at, np.zeros(0), nothing, nothing)
        order = np.argsort(inverse, kind="stable")
        counts = np.bincount(inverse, minlength=len(at)).astype(np.float64)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        away = np.concatenate(
            [values - self.means[index], (times - self.times[index])[:, None]], axis=1
        )[order]
        first, second = np.add.reduceat(away, starts), np.add.reduceat(away**2, starts)
        weights = self.weights[at] + counts
        moves = first / weights[:, None]
        gained = np.maximum(second - first * moves, 0.0)
        return MicroSums(at, weights, moves, gained)

    def put(self, sums: MicroSums) -> None:
        """Add what `sums` returned."""
        at = sums.at
        self.weights[at] = sums.weights
        self.means[at] += sums.moves[:, :-1]
        self.squares[at] += sums.gained[:, :-1]
        self.times[at] += sums.moves[:, -1]
        self.time_squares[at] += sums.gained[:, -1]

    def append(self, values: Floats, times: Floats) -> None:
        """Append one micro-cluster of the events (n, F), n >= 1."""
        self.append_each(values, times, np.zeros(len(values), np.int64))

    def append_each(self, values: Floats, times: Floats, groups: Ints) -> None:
        """Append a micro-cluster for each group of the events.

        Args:
            values: (n, F).
            times: (n,) ascending.
            groups: (n,) 0 to G - 1, each with an event.
        """
        if not len(groups):
            return
        firsts = np.unique(groups, return_index=True)[1]
        weights = np.bincount(groups).astype(np.float64)
        rows = np.concatenate([values, times[:, None]], axis=1)
        means, squares = np.zeros((2, len(weights), rows.shape[1]))
        np.add.at(means, groups, rows - rows[firsts][groups])
        means = rows[firsts] + means / weights[:, None]
        np.add.at(squares, groups, (rows - means[groups]) ** 2)
        number = len(weights)
        self.weights = np.concatenate([self.weights, weights])
        self.means = np.concatenate([self.means, means[:, :-1]])
        self.squares = np.concatenate([self.squares, squares[:, :-1]])
        self.times = np.concatenate([self.times, means[:, -1]])
        self.time_squares = np.concatenate([self.time_squares, squares[:, -1]])
        self.created = np.concatenate([self.created, times[firsts]])
        self.ids = np.concatenate([self.ids, self.next_id + np.arange(number)])
        self.groups = np.concatenate([self.groups, np.full(number, -1)])
        self.is_settled = np.concatenate([self.is_settled, np.zeros(number, np.bool_)])
        self.next_id += number

    def merge(self, a: int, b: int) -> None:
        """Add the micro-cluster at b to the one at a, and remove it."""
        weight = self.weights[a] + self.weights[b]
        share = self.weights[b] / weight
        away, later = self.means[b] - self.means[a], self.times[b] - self.times[a]
        factor = self.weights[a] * share
        self.squares[a] += self.squares[b] + away**2 * factor
        self.time_squares[a] += self.time_squares[b] + later**2 * factor
        self.means[a] += away * share
        self.times[a] += later * share
        self.created[a] = min(self.created[a], self.created[b])
        self.weights[a] = weight
        self.is_settled[a] |= self.is_settled[b]
        self.keep(np.arange(len(self)) != b)

    def keep(self, kept: Bools) -> None:
        """Remove those that are not kept (P,)."""
        if kept.all():
            return
        for name in (*_FLOATS, *_INTS, "means", "squares", "is_settled"):
            setattr(self, name, getattr(self, name)[kept])

    def widen(self, means: Floats) -> None:
        """Append features: until now, every event was at these means."""
        more = np.broadcast_to(means, (len(self), len(means)))
        self.means = np.concatenate([self.means, more], axis=1)
        self.squares = np.concatenate([self.squares, np.zeros_like(more)], axis=1)

    def arrays(self) -> dict[str, NDArray[np.float64] | Ints | Bools]:
        """Return what a snapshot needs."""
        return {
            "micro_means": self.means,
            "micro_squares": self.squares,
            "micro_floats": np.stack([getattr(self, name) for name in _FLOATS]),
            "micro_ints": np.stack([getattr(self, name) for name in _INTS]),
            "micro_settled": self.is_settled,
        }

    def restore(self, saved: Snapshot, count: int, next_id: int) -> None:
        """Take over `count` micro-clusters of a snapshot.

        Raises:
            ModelError: it is damaged.
        """
        width, floats = self.means.shape[1], np.zeros(0)
        if count < 0:
            raise ModelError(f"the snapshot of {saved.kind} has {count} micro-clusters: damaged")
        self.means = saved.array("micro_means", floats, count, width)
        self.squares = saved.array("micro_squares", floats, count, width)
        table = saved.array("micro_floats", floats, len(_FLOATS), count)
        numbers = saved.array("micro_ints", np.zeros(0, np.int64), len(_INTS), count)
        for name, column in zip((*_FLOATS, *_INTS), (*table, *numbers), strict=True):
            setattr(self, name, column.copy())
        self.is_settled = saved.array("micro_settled", np.zeros(0, np.bool_), count)
        self.next_id = next_id


class MicroSums:
    """What events make of the micro-clusters that they are added to."""

    def __init__(self, at: Ints, weights: Floats, moves: Floats, gained: Floats) -> None:
        """Keep the columns.

        Args:
            at: (m,) positions of these micro-clusters, ascending.
            weights: (m,) the new ones.
            moves: (m, F + 1) of the means, the time last.
            gained: (m, F + 1) of the sums of squares.
        """
        self.at, self.weights, self.moves, self.gained = at, weights, moves, gained
