"""Robust z-score: how far a value is from the recent median of its channel."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from models.anomaly.channel_index import ChannelIndex
from models.anomaly.channel_store import ChannelStore
from models.anomaly.row_state import merge_rows, select_rows_of, values_of_sources
from models.anomaly.slots import NO_SLOT, Slots, reload_slots
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, Snapshot, encode, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Iglewicz and Hoaglin call values from this modified z-score outliers; its score is 1/2.
HALF_SCORE_Z = 3.5

_STATE_VERSION = 2


class RobustZScore(OnlineModel[SensorReading, AnomalyScore]):
    """For each (source_id, channel), z = |x - median| / spread over the last `window` values.

    The spread is the geometric mean of two robust estimates, of the core and of the tail (see
    `Windows.medians_and_spreads`), and at least 0.1 % of the median. A reading has the score of
    its most unusual channel, which the result names, with the median as the expected value.
    Channels may come and go; a channel with fewer than `min_values` learned values scores 0, and a
    reading that has no other channel is not scored.

    Memory: 8 bytes for each learned value, up to `window` values of `max_keys` channels (134 MB
    with the defaults). Further channels are not scored until one of these has stayed away
    (`models/anomaly/slots.py`); both are counted. A channel's median and spread are computed again
    whenever 1/64 of its values is new. Nothing is random.

    Source: Iglewicz and Hoaglin, 1993, "How to Detect and Handle Outliers", ASQC 16.
    """

    name, version = "robust_zscore", "3"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        window: int = 1024,
        min_values: int = 32,
        threshold: float = 12.0,
        max_keys: int = 16_384,
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
        self.max_keys = check_option("max_keys", max_keys, 1)
        self._store = ChannelStore(window)
        self._index = ChannelIndex(self._no_slots(), self._store)

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"channels of {self.name}")

    def warm_up(self) -> None:
        """Score and learn with another instance: NumPy imports some modules on first use."""
        other, batch = RobustZScore(), [SensorReading.example()]
        other.learn_batch(batch)
        other.predict_batch(batch)

    def join(self, other: OnlineModel[SensorReading, AnomalyScore]) -> None:
        """Keep the channels in the store of another instance with the same options.

        Meant for an instance that has learned nothing yet; answers and snapshots do not change.
        """
        assert isinstance(other, RobustZScore)
        self._store = other._store
        self._index = ChannelIndex(self._index.slots, self._store)

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by what was learned before; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order. score = z / (z + 3.5) for the channel with the largest z.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[RobustZScore], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several joined models at once, each by its own channels.

        Args:
            models: M of this one's store, with the same options.
            batches: M batches as for `predict_batch`; may be empty.

        Returns:
            M lists of results.
        """
        rows: list[int] = []
        for model, batch in zip(models, batches, strict=True):
            rows += model._index.find(batch)
        readings = [reading for batch in batches for reading in batch]
        medians, z = self._compare(np.array(rows, np.int64), _values(readings))
        best = _argmax_of_each(z, [len(reading.values) for reading in readings])
        is_scored = z[best] >= 0
        scores = z_to_score(np.maximum(z, 0.0))[best]
        channels = [name for reading in readings for name in reading.values]
        results = iter(
            [
                AnomalyScore(
                    score=score,
                    is_anomaly=is_anomaly,
                    threshold=self.threshold,
                    channel=channels[at] if score > 0 else "",
                    expected=median if score > 0 else None,
                    is_scored=scored,
                )
                for at, scored, score, is_anomaly, median in zip(
                    best.tolist(),
                    is_scored.tolist(),
                    scores.tolist(),
                    (scores >= self.threshold).tolist(),
                    medians[best].tolist(),
                    strict=True,
                )
            ]
        )
        return [list(islice(results, len(batch))) for batch in batches]

    def _compare(self, rows: Ints, values: Floats) -> tuple[Floats, Floats]:
        """Return medians and z (n + 1,): 0 and -1 for an unknown channel, and in the last place."""
        store = self._store
        medians, z = np.zeros(len(rows) + 1), np.full(len(rows) + 1, -1.0)
        known = np.flatnonzero(rows != NO_SLOT)
        known = known[store.windows.totals[rows[known]] >= self.min_values]
        medians[known] = store.medians[rows[known]]
        with np.errstate(over="ignore"):  # 1e300 over a tiny spread: z = inf, a score of 1
            z[known] = np.abs(values[known] - medians[known]) / store.spreads[rows[known]]
        return medians, z

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Append the readings to the windows of their channels."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[RobustZScore], batches: Sequence[Sequence[SensorReading]]
    ) -> None:
        """Let several joined models learn at once, each from its own readings.

        Args:
            models: M distinct ones of this one's store, with the same options.
            batches: M batches as for `learn_batch`; may be empty.
        """
        values = _values([reading for batch in batches for reading in batch])
        claimed: list[int] = []
        for model, batch in zip(models, batches, strict=True):
            claimed += model._index.claim(batch)
        rows = np.array(claimed, np.int64)
        known = rows != NO_SLOT
        if known.any():
            self._store.append(rows[known], values[known])

    def take_incidents(self) -> dict[str, int]:
        """Return how many channels were forgotten and refused since the last call."""
        return self._index.slots.take_incidents()

    def close(self) -> None:
        """Give the rows back to the store."""
        self._index.release()

    def snapshot(self) -> bytes:
        """Return the windows of all channels with their statistics."""
        slots, rows, store = self._index.slots, self._index.rows, self._store
        keys = slots.keys
        names = {"sources": [key[0] for key in keys], "channels": [key[1] for key in keys]}
        arrays = {
            "values": store.windows.values_of(rows),
            "totals": store.windows.totals[rows],
            "medians": store.medians[rows],
            "spreads": store.spreads[rows],
            "refreshed": store.refreshed[rows],
            "last_seen": slots.last_seen[: len(keys)],
            "step": np.array([slots.step], np.int64),
        }
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        return {"window": self.window, "max_keys": self.max_keys}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with another `window` or
                `max_keys`. The model is then unchanged.
        """
        saved = self._unpacked(state)
        slots = self._no_slots()
        count = reload_slots(saved, slots, "sources", "channels")
        floats, ints = np.zeros(0), np.zeros(0, np.int64)
        totals = saved.array("totals", ints, count)
        if (totals < 1).any():
            raise ModelError(f"the totals in the snapshot of {self.name} are out of range")
        values = saved.array("values", floats, int(np.minimum(totals, self.window).sum()))
        medians = saved.array("medians", floats, count)
        spreads = saved.array("spreads", floats, count)
        refreshed = saved.array("refreshed", ints, count)
        if not (np.isfinite(values).all() and np.isfinite(medians).all() and (spreads > 0).all()):
            raise ModelError(f"the statistics in the snapshot of {self.name} are out of range")
        self._index.release()
        store, self._index = self._store, ChannelIndex(slots, self._store)
        rows = self._index.rows
        store.clear(rows, np.arange(count))
        store.windows.fill(rows, totals, values)
        store.medians[rows], store.spreads[rows] = medians, spreads
        store.refreshed[rows] = refreshed

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many values of each source a snapshot's model has learned."""
        return values_of_sources(self._unpacked(state))

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its sources."""
        return encode(select_rows_of(self._unpacked(state), source_ids, self.window))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond `max_keys`, the latest seen."""
        parts = [self._unpacked(state) for state in states]
        return encode(merge_rows(parts, self.max_keys, self.window))

    def _unpacked(self, state: bytes) -> Snapshot:
        return unpack(state, self.name, _STATE_VERSION, self._options())


def z_to_score(z: Floats) -> Floats:
    """Map z >= 0 to a score in [0, 1]: 0 to 0, `HALF_SCORE_Z` to 1/2, infinity to 1."""
    return 1.0 - HALF_SCORE_Z / (HALF_SCORE_Z + z)


def _values(readings: Sequence[SensorReading]) -> Floats:
    """Return the values (n,) of all channels, reading by reading."""
    values: list[float] = []
    for reading in readings:
        values += reading.values.values()
    return np.array(values, np.float64)


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
