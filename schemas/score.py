"""How unusual a reading is."""

from __future__ import annotations

from schemas.event import Result


class AnomalyScore(Result, kw_only=True):
    """The score of one reading, made from the readings before it alone."""

    score: float
    """In [0, 1]; higher is more unusual. Comparable within one model and its settings."""
    is_anomaly: bool
    """Whether `score` reaches `threshold`."""
    threshold: float
    """In [0, 1]: the cut that was in force."""
    channel: str = ""
    """The channel that stands out most; "" where the model does not tell them apart."""
    expected: float | None = None
    """What the model expected of `channel`, in its unit, where the model knows."""
