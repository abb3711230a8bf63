"""Serve river's anomaly detectors: one for each source, calibrated, with exact snapshots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid, is_normal
from models.anomaly.results import no_judgments, score_of_surprise, source_results
from models.anomaly.river_kinds import KINDS
from models.anomaly.river_source import RiverSource, held_readings, names_of
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.anomaly.source_rows import MovableSources, SourceRows
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, Snapshot, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STATE_VERSION = 1


class RiverDetector(MovableSources[RiverSource], OnlineModel[SensorReading, AnomalyScore]):
    """For each source_id, a detector of river that knows the last 1 to 2 times `window` readings.

    Two detectors learn each reading: one began at the second to last multiple of `window` learned
    readings and answers, the other began at the last one and follows it. So both are functions of
    the kept readings, which are all that a snapshot holds of them; restored detectors learn these
    again when their source is next seen. It also bounds the memory of detectors that never forget,
    and lets a channel that comes later take part.

    Detectors of numbers have an instance for each channel, and the most unusual one counts. Others
    see the channels of a reading together, scaled by river; what a reading lacks is the mean, or
    for the trees the side with more readings. A running distribution of the source's own raw
    scores turns them into a surprise s (`models/anomaly/calibration.py`), bounded as
    `models/anomaly/river_kinds.py` states; score = s / (s + 4), and repeats are damped. While most
    readings are unusual nothing is learned; a lasting change ends that.

    Memory: 160 bytes and 100 for each value of 2 * `window` readings, 96 bytes, and two detectors,
    for at most `max_keys` sources. A detector takes 130 kB with the defaults, and the window that
    it is given if it has one. Further sources are not scored until one of these has stayed away;
    both are counted.

    Source: Montiel et al., 2021, "River: machine learning for streaming data in Python", JMLR 22;
    the detectors' papers are in docs/anomalies.md.
    """

    name, version = "river_detector", "1"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        detector: str = "half_space_trees",
        detector_options: Mapping[str, float] | None = None,
        window: int = 512,
        min_values: int = 256,
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 256,
        max_channels: int = 64,
        seed: int = 1,
        learn_every: int = 8,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            detector: a name of `KINDS`, such as `loda`.
            detector_options: options of that detector; those not given have their defaults.
            window: readings after which a new detector begins, 8 to 65536.
            min_values: readings to learn before a source is scored, 8 to `window`.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            max_channels: channels of a source, 1 to 1024; channels seen later are ignored.
            seed: seed of random trees, features and projections, 0 to 2^32 - 1.
            learn_every: offsets in a learning step, >= 1.
        """
        if detector not in KINDS:
            raise ValueError(f"detector is {detector!r}: expected one of {', '.join(KINDS)}")
        self.detector, self._kind = detector, KINDS[detector]
        self._settings = self._kind.settings(detector_options or {})
        self.window = check_option("window", window, 8, 65_536)
        self.min_values = check_option("min_values", min_values, 8, window)
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self._calibration = Calibration(surprise, check_option("rest", rest, 0, 1_000_000))
        self.max_keys = check_option("max_keys", max_keys, 1)
        self.max_channels = check_option("max_channels", max_channels, 1, 1024)
        self.seed = check_option("seed", seed, 0, 2**32 - 1)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._slots = self._no_slots()
        self._sources: list[RiverSource] = []
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def _new_source(self) -> RiverSource:
        make = partial(self._kind.make, self._settings, self.seed)
        return RiverSource(make, self.window, self.min_values, self.max_channels)

    def load(self, device: str = "cpu") -> None:
        """Import river by making a detector.

        Raises:
            ModelError: river is not installed.
        """
        try:
            self._kind.make(self._settings, self.seed)
        except ImportError as error:
            raise ModelError(f"{self.name} needs the package river: {error}") from error

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by its source's detector; changes nothing.

        Args:
            batch: B readings with finite values; beyond 1e30 they count as 1e30.

        Returns:
            B results in input order; `channel` is "".
        """
        slots, raw = self._raw(batch)
        self._memo.remember(batch, raw)
        judged, scored = no_judgments(len(batch)), np.flatnonzero(~np.isnan(raw))
        if len(scored):
            states, bound = self._states[slots[scored]], self._kind.bound(raw[scored])
            parts = self._calibration.judge(states, raw[scored], bound)
            for whole, part in zip(judged, parts, strict=True):
                whole[scored] = part
        return source_results(batch, judged, self.threshold)

    def _raw(self, batch: Sequence[SensorReading]) -> tuple[Ints, Floats]:
        """Return slots and raw scores (B,); NaN for a source without a detector that answers."""
        slots = self._slots.find((reading.source_id,) for reading in batch)
        raw = [
            np.nan if slot == NO_SLOT else self._sources[slot].score(reading)
            for slot, reading in zip(slots, batch, strict=True)
        ]
        return np.array(slots, np.int64), np.array(raw, np.float64)

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the scores, then let the detectors of normal sources learn the readings."""
        keys = [(reading.source_id,) for reading in batch]
        taken = self._memo.take(batch)
        raw = self._raw(batch)[1] if taken is None else taken[0]
        slots, fresh, _ = self._slots.claim(keys)
        self._states = grown(self._states, self._slots.capacity)
        self._states[fresh] = 0.0
        for slot in fresh:
            self._sources[slot : slot + 1] = [self._new_source()]
        scored = np.flatnonzero(~np.isnan(raw))
        rows, raw = np.array(slots, np.int64)[scored], raw[scored]
        self._calibration.learn(self._states, rows, raw, self._kind.bound(raw))
        readings: dict[int, list[SensorReading]] = defaultdict(list)
        for reading, slot in zip(batch, slots, strict=True):
            if slot != NO_SLOT:
                readings[slot].append(reading)
        for slot, own in readings.items():
            if is_normal(self._states[slot : slot + 1])[0]:
                for reading in own:
                    self._sources[slot].learn(reading)

    def take_incidents(self) -> dict[str, int]:
        """Return how many sources were forgotten and refused since the last call."""
        return self._slots.take_incidents()

    def snapshot(self) -> bytes:
        """Return the kept readings and the calibration of every source; no code, no pickle."""
        slots, rows = self._slots, len(self._slots.keys)
        states, last_seen = self._states[:rows], slots.last_seen[:rows]
        return self._packed(SourceRows(slots.keys, self._sources, states, last_seen, slots.step))

    def _packed(self, rows: SourceRows[RiverSource]) -> bytes:
        counts = [(each.total, len(each.channels)) for each in rows.sources]
        names = {"sources": [key[0] for key in rows.keys], "channels": names_of(rows.sources)}
        kept = [source.rows().ravel() for source in rows.sources]
        arrays = {
            "counts": np.array(counts, np.int64).reshape(len(counts), 2),
            "readings": np.concatenate([np.zeros(0), *kept]),
            "states": rows.states,
            "last_seen": rows.last_seen,
            "step": np.array([rows.step], np.int64),
        }
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        names = ("detector", "window", "min_values", "max_keys", "max_channels", "seed")
        options: dict[str, Option] = {name: getattr(self, name) for name in names}
        options["detector_options"] = [
            f"{name}={value!r}" for name, value in self._settings.items()
        ]
        return options | {
            "rest": self._calibration.rest,
            "threshold": self._calibration.threshold,
        }

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot; detectors learn again when they are needed.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other options that
                the state depends on. The model is then unchanged.
        """
        slots = self._no_slots()
        rows = self._read(state, slots)
        self._sources = list(rows.sources)
        self._slots, self._memo = slots, ScoreMemo()
        self._states = grown(rows.states, slots.capacity)

    def _rows_of(self, state: bytes) -> SourceRows[RiverSource]:
        return self._read(state, self._no_slots())

    def _read(self, state: bytes, slots: Slots[tuple[str, ...]]) -> SourceRows[RiverSource]:
        """Return the sources of a snapshot and fill `slots`.

        Raises:
            ModelError: as `restore`.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        count = reload_slots(saved, slots, "sources")
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        sources = self._unpacked(saved, count)
        return SourceRows(slots.keys, sources, states, slots.last_seen[:count], slots.step)

    def _unpacked(self, saved: Snapshot, count: int) -> list[RiverSource]:
        counts = saved.array("counts", np.zeros(0, np.int64), count, 2)
        names = saved.list_of("channels")
        fits = (counts >= 0).all() and (counts[:, 1] <= self.max_channels).all()
        if not fits or counts[:, 1].sum() != len(names):
            raise ModelError(f"the counts in the snapshot of {self.name} do not fit: it is damaged")
        held = [held_readings(total, self.window) for total in counts[:, 0].tolist()]
        sizes = [n * width for n, width in zip(held, counts[:, 1].tolist(), strict=True)]
        values = saved.array("readings", np.array([np.nan]), sum(sizes))
        if np.isinf(values).any():
            raise ModelError(f"the readings in the snapshot of {self.name} are not finite")
        sources = []
        at = first = 0
        for (total, width), n, size in zip(counts.tolist(), held, sizes, strict=True):
            source = self._new_source()
            rows = values[at : at + size].reshape(n, width)
            source.adopt(names[first : first + width], rows, total)
            sources.append(source)
            at, first = at + size, first + width
        return sources
