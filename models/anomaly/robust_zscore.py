"""Robust z-score: how far a value is from the recent median of its channel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.anomaly.windows import Windows
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Iglewicz and Hoaglin call values from this modified z-score outliers; its score is 1/2.
HALF_SCORE_Z = 3.5
#: The least spread of a series, as a share of its median: few sensors are more precise.
RELATIVE_FLOOR = 1e-3
#: The least spread in the unit of the series, for one that stays at zero.
ABSOLUTE_FLOOR = 1e-9
#: The statistics of a window are computed again whenever 1/64 of its values is new.
REFRESH_SHARE = 64

_STATE_VERSION = 1


class RobustZScore(OnlineModel[SensorReading, AnomalyScore]):
    """For each (source_id, channel), z = |x - median| / spread over the last `window` values.

    The spread is the geometric mean of two robust estimates, of the core and of the tail (see
    `Windows.medians_and_spreads`), and at least 0.1 % of the median. A reading has the score of
    its most unusual channel, which the result names, with the median as the expected value.
    Channels may come and go; a channel with fewer than `min_values` learned values scores 0.

    Memory: `window` values of at most `max_keys` channels (8 bytes each; 34 MB with the defaults);
    beyond that, the channel seen least recently is dropped. A channel's median and spread are
    computed again whenever 1/64 of its values is new. Nothing is random.

    Source: Iglewicz and Hoaglin, 1993, "How to Detect and Handle Outliers", ASQC 16.
    """

    name, version = "robust_zscore", "1"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        window: int = 1024,
        min_values: int = 32,
        threshold: float = 12.0,
        max_keys: int = 4096,
        learn_every: int = 16,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            window: values of each channel, 3 to 65536.
            min_values: values to learn before a channel is scored, 3 to `window`.
            threshold: the z from which a reading is an anomaly, > 0. Results contain it as a
                score, z / (z + 3.5).
            max_keys: channels remembered over all sources, >= 1.
            learn_every: offsets in a learning step, >= 1.
        """
        self.window = check_option("window", window, 3, 65_536)
        self.min_values = check_option("min_values", min_values, 3, window)
        self.threshold = float(z_to_score(np.array(check_option("threshold", threshold, 1e-6))))
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._slots: Slots[tuple[str, ...]] = Slots(check_option("max_keys", max_keys, 1))
        self._windows = Windows(window)
        self._medians: Floats = np.zeros(0)
        self._spreads: Floats = np.zeros(0)
        self._refreshed: Ints = np.zeros(0, np.int64)  # totals when these were computed

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by the values learned before; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order. score = z / (z + 3.5) for the channel with the largest z.
        """
        keys, values = _flatten(batch)
        rows = self._slots.find(keys)
        medians, z = self._compare(rows, values)
        best = _argmax_of_each(z, [len(reading.values) for reading in batch])
        columns = zip(
            best.tolist(), z_to_score(z)[best].tolist(), medians[best].tolist(), strict=True
        )
        return [
            AnomalyScore(
                score=score,
                is_anomaly=score >= self.threshold,
                threshold=self.threshold,
                channel=keys[at][1] if score > 0 else "",
                expected=median if score > 0 else None,
            )
            for at, score, median in columns
        ]

    def _compare(self, rows: Ints, values: Floats) -> tuple[Floats, Floats]:
        """Return medians and z (n + 1,): 0 for channels not known yet, and for the added last."""
        medians, z = np.zeros(len(rows) + 1), np.zeros(len(rows) + 1)
        known = np.flatnonzero(rows != NO_SLOT)
        known = known[self._windows.totals[rows[known]] >= self.min_values]
        medians[known] = self._medians[rows[known]]
        with np.errstate(over="ignore"):  # 1e300 over a tiny spread: z = inf, a score of 1
            z[known] = np.abs(values[known] - medians[known]) / self._spreads[rows[known]]
        return medians, z

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Append the readings to the windows of their channels, for later comparisons."""
        keys, values = _flatten(batch)
        rows, fresh = self._slots.claim(keys)
        self._make_room()
        self._windows.clear(fresh)
        self._refreshed[fresh] = 0
        self._windows.append(rows[rows != NO_SLOT], values[rows != NO_SLOT])
        self._refresh(np.unique(rows[rows != NO_SLOT]))

    def _make_room(self) -> None:
        rows = self._slots.capacity
        self._windows.grow_to(rows)
        self._medians, self._spreads = grown(self._medians, rows), grown(self._spreads, rows)
        self._refreshed = grown(self._refreshed, rows)

    def _refresh(self, rows: Ints) -> None:
        """Compute the statistics again for rows whose windows have changed enough."""
        totals = self._windows.totals[rows]
        enough = np.maximum(np.minimum(totals, self.window) // REFRESH_SHARE, 1)
        rows = rows[totals - self._refreshed[rows] >= enough]
        medians, spreads = self._windows.medians_and_spreads(rows)
        floors = np.maximum(RELATIVE_FLOOR * np.abs(medians), ABSOLUTE_FLOOR)
        self._medians[rows], self._spreads[rows] = medians, np.maximum(spreads, floors)
        self._refreshed[rows] = self._windows.totals[rows]

    def snapshot(self) -> bytes:
        """Return the windows of all channels and their statistics."""
        keys, rows = self._slots.keys, len(self._slots.keys)
        names = {"sources": [key[0] for key in keys], "channels": [key[1] for key in keys]}
        arrays = {
            "values": self._windows.values[:rows],
            "totals": self._windows.totals[:rows],
            "medians": self._medians[:rows],
            "spreads": self._spreads[:rows],
            "refreshed": self._refreshed[:rows],
            "last_seen": self._slots.last_seen[:rows],
            "step": np.array([self._slots.step], np.int64),
        }
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        return {"window": self.window, "max_keys": self._slots.max_keys}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with another `window` or
                `max_keys`. The model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        slots, rows = reload_slots(saved, self._slots.max_keys, "sources", "channels")
        windows = Windows(self.window)
        windows.values = saved.array("values", windows.values, rows, self.window)
        windows.totals = saved.array("totals", windows.totals, rows)
        windows.check()
        medians = saved.array("medians", self._medians, rows)
        spreads = saved.array("spreads", self._spreads, rows)
        refreshed = saved.array("refreshed", self._refreshed, rows)
        if not (np.isfinite(medians).all() and (spreads > 0).all()):
            raise ModelError(f"the statistics in the snapshot of {self.name} are out of range")
        self._slots, self._windows = slots, windows
        self._medians, self._spreads, self._refreshed = medians, spreads, refreshed
        self._make_room()


def z_to_score(z: Floats) -> Floats:
    """Map z >= 0 to a score in [0, 1]: 0 to 0, `HALF_SCORE_Z` to 1/2, infinity to 1."""
    return 1.0 - HALF_SCORE_Z / (HALF_SCORE_Z + z)


def _flatten(batch: Sequence[SensorReading]) -> tuple[list[tuple[str, ...]], Floats]:
    """Return all (source_id, channel) keys and values (n,), reading by reading."""
    keys: list[tuple[str, ...]] = [
        (reading.source_id, channel) for reading in batch for channel in reading.values
    ]
    values = chain.from_iterable(reading.values.values() for reading in batch)
    return keys, np.fromiter(values, np.float64, len(keys))


def _argmax_of_each(z: Floats, lengths: list[int]) -> Ints:
    """Return the index of each reading's largest z, the first of equal ones; -1 for no channel.

    Args:
        z: (sum(lengths) + 1,), reading by reading.
        lengths: number of channels of each reading.
    """
    sizes = np.array(lengths, np.int64)
    used = np.arange(max(lengths, default=0) or 1) < sizes[:, None]
    padded = np.full(used.shape, -1.0)
    padded[used] = z[:-1]
    return np.where(sizes > 0, np.cumsum(sizes) - sizes + padded.argmax(axis=1), -1)
