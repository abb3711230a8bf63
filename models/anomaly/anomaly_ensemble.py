"""Several anomaly detectors as one: their calibrated surprises combined and calibrated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import NUM_FIELDS, Calibration, are_valid
from models.anomaly.combine import RULES, combined
from models.anomaly.members import (
    LEAST_UNUSUAL,
    Member,
    learn_all,
    make_members,
    member_id,
    shares,
    surprises,
)
from models.anomaly.results import no_judgments, score_of_surprise, source_results
from models.anomaly.score_memo import ScoreMemo
from models.anomaly.slots import NO_SLOT, Slots, grown, reload_slots
from models.base import ModelError, OnlineModel
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: A member in the pipeline file: its name, or `{name: ..., options: {...}}`.
MemberOption: TypeAlias = str | Mapping[str, Any]

_STATE_VERSION = 1
_DEFAULT_MEMBERS = ("seasonal_likelihood", "half_space_trees")


class AnomalyEnsemble(OnlineModel[SensorReading, AnomalyScore]):
    """For each source_id, one calibrated score of several registered detectors.

    Each member turns a reading into a surprise, -log10 of a probability, by its own calibration.
    They are combined (`models/anomaly/combine.py`), and a running distribution of what that gives
    for the source makes it a probability again: members that go together raise the combination of
    usual readings as well. Members that do not score a reading do not count. Repeats are damped
    once, after the combination; `channel` and `expected` are those of the most surprised member
    that names a channel, and `members` are their shares of the sum of surprises.

    All members learn in the steps of the ensemble. Memory: that of the members, and 80 bytes for
    each of `max_keys` sources. Further sources are not scored until one of these has stayed away;
    both are counted, and so is what members lose, with their names.

    Sources: see `models/anomaly/combine.py`.
    """

    name, version = "anomaly_ensemble", "1"
    event_type, result_type = SensorReading, AnomalyScore

    def __init__(
        self,
        members: Sequence[MemberOption] | None = None,
        combine: str = "mean",
        threshold: float = 3.0,
        rest: int = 200,
        max_keys: int = 16_384,
        learn_every: int = 8,
    ) -> None:
        """Check the options of the pipeline file.

        Args:
            members: 1 to 16 registered detectors of readings, each a name or a mapping with `name`
                and `options`; None: seasonal_likelihood and half_space_trees.
            combine: `mean`, `max`, `harmonic` or `fisher`.
            threshold: -log10 of the probability from which a reading is an anomaly, 0.1 to 100.
                Results contain it as a score.
            rest: readings after a report for which repeats are damped; 0: none are.
            max_keys: sources remembered, >= 1.
            learn_every: offsets in a learning step, >= 1; of the members, too.
        """
        if combine not in RULES:
            raise ValueError(f"combine is {combine!r}: expected one of {', '.join(RULES)}")
        self.combine = combine
        surprise = float(check_option("threshold", threshold, 0.1, 100))
        self.threshold = float(score_of_surprise(np.array(surprise)))
        self._calibration = Calibration(surprise, check_option("rest", rest, 0, 1_000_000))
        self.max_keys = check_option("max_keys", max_keys, 1)
        self.learn_every = check_option("learn_every", learn_every, 1)
        self._member_options = list(_DEFAULT_MEMBERS if members is None else members)
        self._members = self._new_members()
        self._slots = self._no_slots()
        self._states: Floats = np.zeros((0, NUM_FIELDS))
        """(capacity, NUM_FIELDS) the calibration of each source."""
        self._memo = ScoreMemo()

    def _new_members(self) -> list[Member]:
        return make_members(self._member_options, self.learn_every, self.name)

    def _no_slots(self) -> Slots[tuple[str, ...]]:
        return Slots(self.max_keys, f"sources of {self.name}")

    def load(self, device: str = "cpu") -> None:
        """Load the members."""
        for member in self._members:
            member.load(device)

    def warm_up(self) -> None:
        """Warm the members up."""
        for member in self._members:
            member.warm_up()

    def close(self) -> None:
        """Close the members."""
        for member in self._members:
            member.close()

    def join(self, other: OnlineModel[SensorReading, AnomalyScore]) -> None:
        """Join each member with that of another ensemble with the same options."""
        assert isinstance(other, AnomalyEnsemble)
        _join_each(self._members, other._members)

    def predict_batch(self, batch: Sequence[SensorReading]) -> list[AnomalyScore]:
        """Score each reading by all members; changes nothing.

        Args:
            batch: B readings with finite values.

        Returns:
            B results in input order.
        """
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[AnomalyEnsemble], batches: Sequence[Sequence[SensorReading]]
    ) -> list[list[AnomalyScore]]:
        """Score the readings of several joined models at once, each by its own members."""
        readings = [reading for batch in batches for reading in batch]
        found = surprises([model._members for model in models], batches)
        raw, bound = combined(self.combine, found.surprise)
        judged, first = no_judgments(len(readings)), 0
        for model, batch in zip(models, batches, strict=True):
            own = slice(first, first + len(batch))
            model._memo.remember(batch, raw[own], bound[own])
            at, states = model._known(batch)
            at += first
            is_scored = ~np.isnan(raw[at])
            at, states = at[is_scored], states[is_scored]
            if len(at):
                parts = self._calibration.judge(states, raw[at], bound[at])
                for whole, part in zip(judged, parts, strict=True):
                    whole[at] = part
            first += len(batch)
        results = source_results(readings, judged, self.threshold)
        for place, result in enumerate(results):
            channel, expected = found.channels[place]
            if result.score > 0:
                result.channel, result.expected = channel, expected
            if result.probability is not None and result.probability <= LEAST_UNUSUAL:
                result.members = shares(self._members, found.surprise[:, place])
        answers = iter(results)
        return [list(islice(answers, len(batch))) for batch in batches]

    def _known(self, batch: Sequence[SensorReading]) -> tuple[Ints, Floats]:
        """Return the places (k,) of readings whose sources are known, and their states."""
        slots = np.array(self._slots.find(_keys(batch)), np.int64)
        at = np.flatnonzero(slots != NO_SLOT)
        return at, self._states[slots[at]]

    def learn_batch(self, batch: Sequence[SensorReading]) -> None:
        """Learn the combined scores, and let the members learn the readings."""
        self.learn_joined([self], [batch])

    def learn_joined(
        self, models: Sequence[AnomalyEnsemble], batches: Sequence[Sequence[SensorReading]]
    ) -> None:
        """Let several joined models learn at once, each from its own readings.

        Args:
            models: M distinct ones.
            batches: M batches as for `learn_batch`; may be empty.
        """
        # A reading that can't be read is found here, before any model has changed.
        keys = [_keys(batch) for batch in batches]
        scores = self._scores_of(models, batches)
        learn_all([model._members for model in models], batches)
        for model, own_keys, (raw, bound) in zip(models, keys, scores, strict=True):
            model._learn_scores(own_keys, raw, bound)

    def _scores_of(
        self, models: Sequence[AnomalyEnsemble], batches: Sequence[Sequence[SensorReading]]
    ) -> list[tuple[Floats, Floats]]:
        """Return raw scores and bounds of each model's readings, as they were answered."""
        scores: list[tuple[Floats, Floats]] = []
        for model, batch in zip(models, batches, strict=True):
            taken: Sequence[Floats] | None = model._memo.take(batch)
            if taken is None:
                taken = combined(self.combine, surprises([model._members], [batch]).surprise)
            scores.append((taken[0], taken[1]))
        return scores

    def _learn_scores(self, keys: Sequence[tuple[str, ...]], raw: Floats, bound: Floats) -> None:
        rows, fresh, _ = self._slots.claim(keys)
        self._states = grown(self._states, self._slots.capacity)
        self._states[fresh] = 0.0
        slots = np.array(rows, np.int64)
        at = np.flatnonzero(~np.isnan(raw) & (slots != NO_SLOT))
        self._calibration.learn(self._states, slots[at], raw[at], bound[at])

    def take_incidents(self) -> dict[str, int]:
        """Return what the ensemble and each member lost or refused since the last call."""
        incidents = self._slots.take_incidents()
        for number, member in enumerate(self._members):
            for kind, count in member.take_incidents().items():
                incidents[f"{kind}_of_{member_id(self._members, number)}"] = count
        return incidents

    def snapshot(self) -> bytes:
        """Return the snapshots of all members, and the calibration of every source."""
        slots, rows = self._slots, len(self._slots.keys)
        states = [np.frombuffer(member.snapshot(), np.uint8) for member in self._members]
        arrays: dict[str, NDArray[Any]] = {f"member {i}": each for i, each in enumerate(states)}
        arrays |= {
            "sizes": np.array([len(each) for each in states], np.int64),
            "states": self._states[:rows],
            "last_seen": slots.last_seen[:rows],
            "step": np.array([slots.step], np.int64),
        }
        names = {"sources": [key[0] for key in slots.keys]}
        return pack(self.name, _STATE_VERSION, self._options(), names, arrays)

    def _options(self) -> dict[str, Option]:
        return {
            "members": [f"{member.name} {member.version}" for member in self._members],
            "combine": self.combine,
            "max_keys": self.max_keys,
            "rest": self._calibration.rest,
            "threshold": self._calibration.threshold,
        }

    def restore(self, state: bytes) -> None:
        """Replace the state by that of a snapshot.

        Raises:
            ModelError: not a snapshot of this model, damaged, or made with other members or options
                that the state depends on. The model is then unchanged.
        """
        saved = unpack(state, self.name, _STATE_VERSION, self._options())
        slots = self._no_slots()
        count = reload_slots(saved, slots, "sources")
        states = saved.array("states", self._states, count, NUM_FIELDS)
        if not are_valid(states):
            raise ModelError(f"the states in the snapshot of {self.name} are out of range")
        sizes = saved.array("sizes", np.zeros(0, np.int64), len(self._members)).tolist()
        fresh = self._new_members()
        try:
            for number, (member, size) in enumerate(zip(fresh, sizes, strict=True)):
                member.load()
                _join_each([member], [self._members[number]])
                own = saved.array(f"member {number}", np.zeros(0, np.uint8), max(size, 0))
                member.restore(own.tobytes())
        except BaseException:
            for member in fresh:
                member.close()
            raise
        self.close()
        self._members, self._slots = fresh, slots
        self._states = grown(states, slots.capacity)
        self._memo = ScoreMemo()


def _join_each(members: Sequence[Member], others: Sequence[Member]) -> None:
    for member, other in zip(members, others, strict=True):
        if hasattr(member, "join"):
            member.join(other)


def _keys(batch: Sequence[SensorReading]) -> list[tuple[str, ...]]:
    """Return the key of each reading; its values are looked at, as members need them."""
    return [(reading.source_id,) for reading in batch if reading.values is not None]
