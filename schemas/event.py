"""The base classes of events and results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

import msgspec
from msgspec import Meta

from schemas.errors import UnknownVersionError

_LARGEST = 1.7976931348623157e308
FiniteFloat = Annotated[float, Meta(ge=-_LARGEST, le=_LARGEST)]
"""A float that is neither NaN nor infinite: JSON can't write those, MessagePack can."""

Label = Annotated[str, Meta(max_length=4096)]
"""A name or an id; limited, because it is remembered, logged and sent on. In characters."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One decoded, validated input record.

    A subclass adds fields; new ones go last, with a default, and a field's type never changes.
    Fields that a record leaves out are filled in from Kafka: `source_id` from the record's key or
    the `ce_source` header, `event_time_ms` from `ce_time` or the record's timestamp, `event_id`
    from `ce_id`.
    """

    #: Versions of this event type that this build reads.
    VERSIONS: ClassVar[tuple[int, ...]] = (1,)

    source_id: Label = ""
    """Whom or what the event is about (camera, conversation, sensor, user); the record's key."""
    event_time_ms: Annotated[int, Meta(ge=0, lt=2**53)] = 0
    """Event time, milliseconds since 1970-01-01T00:00:00Z; 0 means not given."""
    event_id: Label = ""
    """The id that the producer gave this event; "" means not given."""
    schema_version: int = 1

    def validate(self) -> None:
        """Check what the fields' types and limits can't express; the base class checks nothing.

        An override is called for every event, which costs time: prefer `typing.Annotated` with
        `msgspec.Meta`, and `FiniteFloat`.

        Raises:
            SchemaError: the fields don't fit together.
        """

    @classmethod
    def example(cls) -> Self:
        """Return a valid event with every field set, for documentation and the round-trip test."""
        return cls(source_id="source-1", event_time_ms=1_700_000_000_000, event_id="e-1")


def check_versions(events: Sequence[Event], versions: tuple[int, ...]) -> None:
    """Check that this build can read every event's version.

    Raises:
        UnknownVersionError: about the first event whose version is not among `versions`.
    """
    if {event.schema_version for event in events} <= set(versions):
        return
    bad = next(event for event in events if event.schema_version not in versions)
    known = ", ".join(map(str, versions))
    raise UnknownVersionError(
        f"unknown schema_version {bad.schema_version} of {type(bad).__name__}: "
        f"this build reads {known}"
    )


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The input record that a result answers."""

    topic: str
    partition: int
    offset: int


class Result(msgspec.Struct, kw_only=True, gc=False):
    """The base of every result.

    A model fills in the fields of its result type; the engine fills in these. Values that differ
    from run to run (processing time, batch size, timings) are in headers, so that a repeated
    result is equal to the first one.
    """

    schema_version: int = 1
    source_id: str = ""
    """The `source_id` of the event."""
    event_id: str = ""
    """The `event_id` of the event, if its producer gave one."""
    event_time_ms: int = 0
    """The event time of the event: milliseconds since 1970-01-01T00:00:00Z."""
    origin: Origin = Origin("", -1, -1)
    """The input record: topic, partition and offset."""
    model: str = ""
    """Name of the model that made the result."""
    model_version: str = ""

    def record_key(self) -> str:
        """Return the key of the result's record; "" means the key of the input record.

        Only for results whose topic is a table of something else than the input's sources. Such a
        topic keeps the order of a key only where all of its records come from one input partition.
        """
        return ""
