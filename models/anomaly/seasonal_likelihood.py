"""Seasonal likelihood: how probable a value is by its channel's range, level and time of day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import Judged, judge_surprise
from models.anomaly.channel_index import ChannelIndex
from models.anomaly.level_state import LARGEST, Levels, raw_scores, surprises
from models.anomaly.level_store import NO_BIN, LevelStore, Limits
from models.anomaly.results import channel_results, no_judgments, score_of_surprise
from models.anomaly.row_state import merge_rows, select_rows_of, values_of_sources
from models.anomaly.slot_changes import (
    Format,
    changed_since,
    pack_changes,
    replay_slots,
    unpack_changes,
)
from models.anomaly.slots import NO_SLOT, Slots, reload_slots
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, Snapshot, encode, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 1


class SeasonalLikelihood(OnlineModel[SensorReading, AnomalyScore]):
    """For each (source_id, channel), how improbable a reading is by what came before.

    Three signs are calibrated by running distributions of the channel's own raw scores: a value
    outside of the range seen so far, the distance of the short-term level from the long-term mean,
    and the short-term residual from the value expected at the time of day. A reading has the
    surprise s = -log10(probability) of its most unusual channel; score = s / (s + 4).

    The first anomaly opens an incident. For `rest` readings after it, only a still more unusual one
    is an anomaly again; repeats are damped to a score below the threshold. After a dozen recent
    incidents of a channel, one about as unusual as those before is damped too.

    Memory: 184 bytes and 4 bytes for each of the season's `bins`, for each of at most `max_keys`
    channels (1.3 kB with the defaults). Nothing is random. A channel's state depends on its own
    readings alone, not on the learning steps.

    Sources: see `models/anomaly/tail_probability.py`; Lavin and Ahmad, 2015, arXiv:1510.03336 (the
    range rule of Numenta's detector).
    """

    name, version = "seasonal_likelihood", "2"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        threshold: float = 3.8,
        min_values: int = 100,
        rest: int = 200,
        season_seconds: int = 86_400,
        bins: int = 288,
        max_keys: int = 16_384,
        learn_every: int = 1,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
            min_values: values to learn before a channel is scored, 32 to 65536.
            rest: readings after a report for which repeats are damped; 0: none are.
            season_seconds: length of the season in event time, >= 1.
            bins: parts of a season, 1 to 4096. Readings without event time have no season.
            max_keys: channels remembered over all sources, >= 1.
            learn_every: offsets in a learning step, >= 1. A large one costs less. The answers are
                the same as long as no channel has two readings in a step.
        """
        self._surprise_threshold = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(self._surprise_threshold)))
        self.min_values = check_option("min_values", min_values, 32, 65_536)
        self.rest = check_option("rest", rest, 0, 1_000_000)
        self.season_seconds = check_option("season_seconds", season_seconds, 1, 10**9)
        self.bins = check_option("bins", bins, 1, 4096)
        self.max_keys = check_option("max_keys", max_keys, 1)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._store = LevelStore(bins, Limits(min_values, self._surprise_threshold, rest))
        self._index = ChannelIndex(self._no_slots(), self._store)

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"channels of {self.name}")

    def join(self, other: OnlineModel[SensorReading, AnomalyScore]) -> None:
        """Keep the channels in the store of another instance with the same options.

        Meant for an instance that has learned nothing yet; answers and snapshots do not change.
        """
        assert isinstance(other, SeasonalLikelihood)
        self._store = other._store
        self._index = ChannelIndex(self._index.slots, self._store)

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by what was learned before; changes nothing.

        Args:
            batch: B readings with finite values; beyond 1e30 they count as 1e30.

        Returns:
            B results in input order, of the channel with the largest surprise. `probability` is
            that of the channel, not damped; `expected` is its long-term mean.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[SeasonalLikelihood], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several joined models at once, each by its own channels."""
        rows: list[int] = []
        for model, batch in zip(models, batches, strict=True):
            rows += model._index.find(batch)
        readings = [reading for batch in batches for reading in batch]
        values, bins = self._inputs(readings)
        judged, means = self._judge(np.array(rows, np.int64), bins, values)
        results = iter(channel_results(readings, judged, means, self.threshold))
        return [list(islice(results, len(batch))) for batch in batches]

    def _judge(self, rows: Ints, bins: Ints, values: Floats) -> tuple[Judged, Floats]:
        """Judge values (n,) of rows (n,); return the means as well, 0 where not scored."""
        judged, means = no_judgments(len(rows)), np.zeros(len(rows))
        known = np.flatnonzero(rows != NO_SLOT)
        known = known[self._store.states[rows[known], 0] >= self.min_values]
        if len(known):
            state, expected = self._store.read(rows[known], bins[known])
            surprise = surprises(state, raw_scores(state, values[known], expected))
            parts = judge_surprise(state.alarms, surprise, self._surprise_threshold, self.rest)
            for whole, part in zip(judged, parts, strict=True):
                whole[known] = part
            means[known] = state.mean
        return judged, means

    def _inputs(self, readings: Sequence[SensorReading]) -> tuple[Floats, Ints]:
        """Return the values and the bins of the season (n,) of all channels, reading by reading."""
        values: list[float] = []
        for reading in readings:
            values += reading.values.values()
        times = np.array([reading.event_time_ms for reading in readings], np.int64)
        season_ms = 1000 * self.season_seconds
        bins = np.where(times > 0, times % season_ms * self.bins // season_ms, NO_BIN)
        lengths = [len(reading.values) for reading in readings]
        return np.clip(np.array(values, np.float64), -LARGEST, LARGEST), np.repeat(bins, lengths)

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the readings in order."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[SeasonalLikelihood], batches: Sequence[Sequence[SensorReading]]
    ) -> None:
        """Let several joined models learn at once, each from its own readings."""
        values, bins = self._inputs([reading for batch in batches for reading in batch])
        claimed: list[int] = []
        for model, batch in zip(models, batches, strict=True):
            claimed += model._index.claim(batch)
        rows = np.array(claimed, np.int64)
        known = rows != NO_SLOT
        if known.any():
            self._store.append(rows[known], bins[known], values[known])

    def take_incidents(self) -> dict[str, int]:
        """Return how many channels were forgotten and refused since the last call."""
        return self._index.slots.take_incidents()

    def close(self) -> None:
        """Give the rows back to the store."""
        self._index.release()

    def snapshot(self) -> bytes:
        """Return the states and seasons of all channels."""
        slots, rows = self._index.slots, self._index.rows
        names = {
            "sources": [key[0] for key in slots.keys],
            "channels": [key[1] for key in slots.keys],
        }
        states = self._store.states[rows]
        arrays: dict[str, NDArray[Any]] = {
            "states": states,
            "seasons": self._store.seasons[rows],
            "totals": states[:, 0].astype(np.int64),
            "last_seen": slots.last_seen[: len(rows)],
            "step": np.array([slots.step], np.int64),
        }
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def mark(self) -> int:
        """Return the number of the present state: of the sightings of channels so far."""
        return self._index.slots.step

    def snapshot_changes(self, since: int) -> bytes:
        """Return the states and seasons of the channels that have changed.

        Args:
            since: the `mark` of an earlier snapshot.
        """
        changed = changed_since(self._index.slots, since)
        rows = self._index.rows[changed.rows]
        arrays: dict[str, NDArray[Any]] = {
            "states": self._store.states[rows],
            "seasons": self._store.seasons[rows],
        }
        return pack_changes(self._format(), self._index.slots, since, changed, arrays)

    def _format(self) -> Format:
        return Format(self.name, _STATE_VERSION, self._options(), ("sources", "channels"))

    def _options(self) -> dict[str, Option]:
        names = ("min_values", "rest", "season_seconds", "bins", "max_keys")
        options: dict[str, Option] = {name: getattr(self, name) for name in names}
        return options | {"threshold": self._surprise_threshold}

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        saved = self._unpacked(state)
        slots = self._no_slots()
        count = reload_slots(saved, slots, "sources", "channels")
        states, seasons = self._saved_rows(saved, count)
        self._index.release()
        store, self._index = self._store, ChannelIndex(slots, self._store)
        store.states[self._index.rows], store.seasons[self._index.rows] = states, seasons

    def restore_changes(self, changes: bytes) -> None:
        """Apply what `snapshot_changes` returned to the state that it is relative to.

        Raises:
            ModelError: damaged, of other options, or relative to another state. The model must
                not be used then.
        """
        form, slots = self._format(), self._index.slots
        saved, changed = unpack_changes(changes, form, slots)
        states, seasons = self._saved_rows(saved, len(changed.rows))
        replay_slots(saved, form, slots, changed)
        self._index.follow(changed.rows[changed.is_fresh])
        rows = self._index.rows[changed.rows]
        self._store.states[rows], self._store.seasons[rows] = states, seasons

    def _saved_rows(self, saved: Snapshot, count: int) -> tuple[Floats, NDArray[np.float32]]:
        """Return the saved states and seasons of `count` channels.

        Raises:
            ModelError: they are damaged.
        """
        states = saved.array("states", np.zeros(0), count, self._store.states.shape[1])
        seasons = saved.array("seasons", np.array([np.nan], np.float32), count, self.bins)
        if not np.isfinite(states).all() or (Levels(*states.T).variance < 0).any():
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        return states, seasons

    def learned_values(self, state: bytes) -> dict[str, int]:
        """Return how many values of each source a snapshot's model has learned."""
        return values_of_sources(self._unpacked(state))

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        """Return the snapshot with only these of its sources."""
        return encode(select_rows_of(self._unpacked(state), source_ids, 1))

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        """Return a snapshot with the sources of all; beyond `max_keys`, the latest seen."""
        parts = [self._unpacked(state) for state in states]
        return encode(merge_rows(parts, self.max_keys, 1))

    def _unpacked(self, state: bytes) -> Snapshot:
        return unpack(state, self.name, _STATE_VERSION, self._options())
