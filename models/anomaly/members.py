"""The members of an ensemble: made by their names, asked and taught together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.registry import make_model, model_class
from schemas import AnomalyScore, SensorReading

Floats = NDArray[np.float64]
Member: TypeAlias = OnlineModel[SensorReading, AnomalyScore]
Batches: TypeAlias = Sequence[Sequence[SensorReading]]

_MOST_MEMBERS = 16
#: Members are named where the probability is at most this.
LEAST_UNUSUAL = 0.1


class Named(NamedTuple):
    """What a member says of the channels of a reading."""

    channel: str = ""
    expected: float | None = None
    contributions: Mapping[str, float] = {}


class Found(NamedTuple):
    """What the members say of n readings."""

    surprise: Floats
    """(members, n) -log10 of the probability, not damped; -1 where a member does not score."""
    named: list[Named]
    """(n,) of the most surprised member that names a channel."""


def make_members(
    wanted: Sequence[str | Mapping[str, Any]], learn_every: int, ensemble: str
) -> list[Member]:
    """Return new members, which learn in the ensemble's steps.

    Args:
        wanted: each a registered name, or a mapping with `name` and `options`.
        learn_every: of the ensemble.
        ensemble: its name, which can't be a member.

    Raises:
        ValueError: none or too many are named, or one can't be a member.
    """
    if not 1 <= len(wanted) <= _MOST_MEMBERS:
        raise ValueError(f"members: expected 1 to {_MOST_MEMBERS} detectors, got {len(wanted)}")
    return [_make_member(each, learn_every, ensemble) for each in wanted]


def _make_member(wanted: str | Mapping[str, Any], learn_every: int, ensemble: str) -> Member:
    name, options = _name_and_options(wanted)
    if name == ensemble:
        raise ValueError(f"members: {name} can't be a member of itself: list its members instead")
    if "learn_every" in options:
        raise ValueError(
            f"members: {name} has learn_every, but members learn in the ensemble's steps: set it "
            "there"
        )
    try:
        cls = model_class(name)
        if not issubclass(cls, OnlineModel) or cls.result_type is not AnomalyScore:
            raise ValueError(f"members: {name} is no detector of anomalies in readings")
        member = make_model(cls, {**options, "learn_every": learn_every})
    except ModelError as error:
        raise ValueError(f"members: {error}") from error
    assert isinstance(member, OnlineModel)
    return member


def _name_and_options(wanted: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    if isinstance(wanted, str):
        return wanted, {}
    fits = isinstance(wanted, Mapping) and set(wanted) <= {"name", "options"}
    if not fits or not isinstance(wanted.get("name"), str):
        raise ValueError(f"members: {wanted!r}: expected a name, or name and options")
    options = wanted.get("options") or {}
    if not isinstance(options, Mapping):
        raise ValueError(f"members: options of {wanted['name']}: expected a mapping")
    return wanted["name"], dict(options)


def member_id(members: Sequence[Member], number: int) -> str:
    """Return a member's name, with its place where several have that name."""
    name = members[number].name
    same = [i for i, member in enumerate(members) if member.name == name]
    return name if len(same) == 1 else f"{name}_{same.index(number) + 1}"


def shares(members: Sequence[Member], surprise: Floats) -> dict[str, float]:
    """Return each member's share of the sum of their surprises (members,), the largest first."""
    own = np.maximum(surprise, 0.0)
    order = np.argsort(-own, kind="stable").tolist()
    total = max(float(own.sum()), 1e-300)
    return {member_id(members, i): float(own[i]) / total for i in order if own[i] > 0}


def surprises(ensembles: Sequence[Sequence[Member]], batches: Batches) -> Found:
    """Ask the members of several ensembles about their readings; changes nothing.

    Args:
        ensembles: the members of M ensembles with the same options.
        batches: M batches, n readings together.
    """
    count = sum(map(len, batches))
    surprise = np.full((len(ensembles[0]), count), -1.0)
    named = [Named()] * count
    best = np.full(count, -1.0)
    for number, own in enumerate(zip(*ensembles, strict=True)):
        answers = [answer for part in _ask(own, batches) for answer in part]
        surprise[number] = _surprises_of(answers)
        for at in np.flatnonzero(surprise[number] > best).tolist():
            one = answers[at]
            if one.channel:
                named[at] = Named(one.channel, one.expected, one.contributions)
                best[at] = surprise[number, at]
    return Found(surprise, named)


def _surprises_of(answers: Sequence[AnomalyScore]) -> Floats:
    probabilities = np.array(
        [np.nan if one.probability is None else one.probability for one in answers], np.float64
    )
    tail = -np.log10(np.maximum(probabilities, np.finfo(np.float64).tiny))
    return np.where(np.isnan(probabilities), -1.0, np.maximum(tail, 0.0))


def _ask(members: Sequence[Any], batches: Batches) -> Sequence[Sequence[AnomalyScore]]:
    if len(members) > 1 and hasattr(members[0], "predict_joined"):
        answers: Sequence[Sequence[AnomalyScore]] = members[0].predict_joined(members, batches)
        return answers
    return [
        member.predict_batch(batch) if batch else []
        for member, batch in zip(members, batches, strict=True)
    ]


def learn_all(ensembles: Sequence[Sequence[Member]], batches: Batches) -> None:
    """Let the members of several ensembles learn, each from its ensemble's readings."""
    for own in zip(*ensembles, strict=True):
        members: Sequence[Any] = own
        if len(members) > 1 and hasattr(members[0], "learn_joined"):
            members[0].learn_joined(members, batches)
        else:
            for member, batch in zip(members, batches, strict=True):
                member.learn_batch(batch)
