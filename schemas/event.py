"""The base of every event and of every result."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import msgspec

from schemas.errors import SchemaError, UnknownVersionError


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decoded, validated input record.

    A subclass adds fields; new ones go last, with a default, and a field's type never changes.
    What a record leaves out is filled from Kafka: `source_id` from the record's key or the
    `ce_source` header, `event_time_ms` from `ce_time` or the record's timestamp, `event_id`
    from `ce_id`.
    """

    #: Versions of this event type that this build reads.
    VERSIONS: ClassVar[tuple[int, ...]] = (1,)

    source_id: str = ""
    """Who or what it is about: the record's key (camera, conversation, sensor, user)."""
    event_time_ms: int = 0
    """When it happened, milliseconds since 1970-01-01T00:00:00Z; 0 means not given."""
    event_id: str = ""
    """The producer's own id of this event; "" means not given."""
    schema_version: int = 1

    def validate(self) -> None:
        """Check what types alone can't say. A subclass calls `super().validate()` first.

        Raises:
            SchemaError: a field is out of range.
            UnknownVersionError: `schema_version` is not in `VERSIONS`.
        """
        if self.schema_version not in self.VERSIONS:
            known = ", ".join(map(str, self.VERSIONS))
            raise UnknownVersionError(
                f"unknown schema_version {self.schema_version} of {type(self).__name__}: "
                f"this build reads {known}"
            )
        if not 0 <= self.event_time_ms < 2**53:
            raise SchemaError(
                f"event_time_ms is {self.event_time_ms}: expected ms since 1970, 0 to 2^53"
            )

    @classmethod
    def example(cls) -> Self:
        """Return a valid event with every field set: documentation, and the round-trip test."""
        return cls(source_id="source-1", event_time_ms=1_700_000_000_000, event_id="e-1")


def check_finite(values: dict[str, float], where: str) -> None:
    """Raise `SchemaError` if a number is NaN or infinite, naming `where` and its key."""
    # A sum is finite iff no term is NaN or infinite (overflow aside): one C call mostly.
    if math.isfinite(sum(values.values())):
        return
    for name, value in values.items():
        if not math.isfinite(value):
            raise SchemaError(f"{where}[{name!r}] is {value}: expected a finite number")


class Origin(msgspec.Struct, frozen=True):
    """The input record that a result answers."""

    topic: str
    partition: int
    offset: int


class Result(msgspec.Struct, kw_only=True):
    """The base of every result's value.

    A model fills in its own fields; the engine stamps these. What differs from run to run
    (processing time, batch size, timings) travels in headers, so a repeated result is equal.
    """

    schema_version: int = 1
    source_id: str = ""
    """Of the event that it answers."""
    event_id: str = ""
    """Of the event that it answers, if its producer gave one."""
    event_time_ms: int = 0
    """Of the event that it answers: milliseconds since 1970-01-01T00:00:00Z."""
    origin: Origin = Origin("", -1, -1)
    """The input record: topic, partition and offset."""
    model: str = ""
    """The name of the model that answered."""
    model_version: str = ""
