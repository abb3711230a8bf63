"""The mapping of an agent without `fields:`: the value has the event type's own field names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec

from schemas.errors import SchemaError
from schemas.event import Event, check_versions
from schemas.lenient import lenient_type
from schemas.mapping.paths import Scope
from schemas.mapping.times import time_converter

#: For formats with types for times, such as Avro; a datetime is a date, too.
_to_ms = time_converter("unix_ms", None, is_text=False)


class ConvertMapping:
    """Makes one event of a value with the event type's field names; thread-safe."""

    needs_scope = False
    reads_files = False

    def __init__(self, event_type: type[Event]) -> None:
        self._event_type = event_type
        self._lenient = lenient_type(event_type)

    def events(self, value: Any, scope: Scope | None) -> Sequence[Event]:
        """Return the event.

        Raises:
            SchemaError: a field is absent, of another type or out of range.
            UnknownVersionError: this build does not read its `schema_version`.
        """
        if isinstance(value, dict) and isinstance(value.get("event_time_ms"), date):
            value = {**value, "event_time_ms": _to_ms(value["event_time_ms"])}
        try:
            event = self._convert(value)
        except msgspec.ValidationError as error:
            reason = (self._lenient.explain(value) if self._lenient else "") or str(error)
            raise SchemaError(f"not a {self._event_type.__name__}: {reason}") from None
        check_versions([event], self._event_type.VERSIONS)
        event.validate()
        return (event,)

    def _convert(self, value: Any) -> Event:
        try:
            return msgspec.convert(value, self._event_type)
        except msgspec.ValidationError:
            if self._lenient is None:
                raise
            return self._lenient.to_event(msgspec.convert(value, self._lenient.type))
