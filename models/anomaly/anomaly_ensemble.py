"""Several anomaly detectors as one: their calibrated surprises combined and calibrated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.anomaly.calibration import Calibration
from models.anomaly.combine import RULES, combined
from models.anomaly.ensemble_state import EnsembleState, join_each
from models.anomaly.members import (
    LEAST_UNUSUAL,
    learn_all,
    shares,
    surprises,
)
from models.anomaly.results import no_judgments, score_of_surprise, source_results
from models.anomaly.slots import NO_SLOT, grown
from models.base import OnlineModel
from models.options import check_option
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: A member in the pipeline file: its name, or `{name: ..., options: {...}}`.
MemberOption: TypeAlias = str | Mapping[str, Any]

_DEFAULT_MEMBERS = ("seasonal_likelihood", "half_space_trees")


class AnomalyEnsemble(EnsembleState):
    """For each source_id, one calibrated score of several registered detectors.

    Each member turns a reading into a surprise, -log10 of a probability, by its own calibration.
    They are combined (`models/anomaly/combine.py`), and a running distribution of what that gives
    for the source makes it a probability again: members that go together raise the combination of
    usual readings as well. Members that do not score a reading do not count. Repeats are damped
    once, after the combination; `channel`, `expected` and `contributions` are those of the most
    surprised member that names a channel, and `members` are their shares of the sum of surprises.

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
        self._start()

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
        join_each(self._members, other._members)

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
            named = found.named[place]
            if result.score > 0:
                result.channel, result.expected = named.channel, named.expected
            if result.probability is not None and result.probability <= LEAST_UNUSUAL:
                result.members = shares(self._members, found.surprise[:, place])
                result.contributions = dict(named.contributions)
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


def _keys(batch: Sequence[SensorReading]) -> list[tuple[str, ...]]:
    """Return the key of each reading; its values are looked at, as members need them."""
    return [(reading.source_id,) for reading in batch if reading.values is not None]
