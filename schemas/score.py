"""Results of anomaly detection."""

from __future__ import annotations

import msgspec

from schemas.event import Result


class AnomalyScore(Result, kw_only=True):
    """How unusual one reading is, compared with the readings before it."""

    score: float
    """In [0, 1]; higher is more unusual. Comparable within one model and its settings."""
    is_anomaly: bool
    """Whether `score` reaches `threshold`."""
    threshold: float
    """In [0, 1]: the threshold at that time."""
    channel: str = ""
    """The most unusual channel; "" if the model does not compare channels."""
    expected: float | None = None
    """The value that the model expected of `channel`, in its unit, if the model has one."""
    is_scored: bool = True
    """False if the model does not know the source yet, or has no room for it: `score` is 0 then."""
    probability: float | None = None
    """The estimated probability of a reading at least as unusual, if the model is calibrated."""
    incident: str = ""
    """Id of the incident that the reading opens or belongs to; "" outside of one."""
    contributions: dict[str, float] = msgspec.field(default_factory=dict)
    """Shares in [0, 1] of the channels that make the reading unusual, the largest first; all
    channels sum to 1, and the largest 8 are here. Empty if the model does not compare channels, or
    if `probability` is above 0.1."""
    members: dict[str, float] = msgspec.field(default_factory=dict)
    """Of an ensemble: each member's share of the surprise, by name, in [0, 1], the largest first.
    Empty for other models, and if `probability` is above 0.1."""
