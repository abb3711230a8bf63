"""How an input record finishes, and why one needs no answer: values of metric labels."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How an input record finished: exactly one outcome per record."""

    ANSWERED = "answered"
    DEAD_LETTERED = "dead_lettered"
    FILTERED = "filtered"


class Filtered(StrEnum):
    """Why a record was filtered."""

    TOMBSTONE = "tombstone"
    EXPIRED = "expired"
    WHERE = "where"
    """The agent's filter does not want it."""
    EMPTY = "empty"
    """It holds no readings."""
    SIDE_RECORD = "side_record"
    """It is for a model that learns from such records, such as a label; this one does not."""
