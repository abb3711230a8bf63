"""What one record may be, checked on its bytes before anything is decoded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from schemas import Event, TooLargeError
from streams.records import Headers, RecordBatch
from streams.settings import LimitSettings
from streams.structure import SCANS, Check, MayBeDeep, Structure


class Limits:
    """One agent's limits; thread-safe.

    Whether a record passes depends on that record alone, never on its neighbours.
    """

    def __init__(
        self,
        max_record_bytes: int,
        settings: LimitSettings | None,
        codec: str,
        event_type: type[Event],
    ) -> None:
        """Say what holds.

        Args:
            max_record_bytes: of a value.
            settings: the other limits; None: their defaults.
            codec: tells how values are written.
            event_type: what they become; where none of its fields can hold lists or maps of any
                depth, depth need not be looked at: what a type doesn't name is never built.
        """
        self._max_bytes = max_record_bytes
        self._settings = settings = settings or LimitSettings()
        self._structure = Structure(
            settings.max_depth, settings.max_items, settings.max_string_bytes
        )
        scans: tuple[Check | None, MayBeDeep | None] = SCANS.get(codec, (None, None))
        self._scan, self._may_be_deep = scans
        # A value that is shorter than this can hold neither too many items nor too long a string.
        self._always_fits = min(settings.max_items, settings.max_string_bytes)
        if self._scan is None:
            self._always_fits = max_record_bytes
        if not _nests_freely(event_type):
            self._may_be_deep = None

    def all_fit(self, batch: RecordBatch, values: Sequence[bytes]) -> bool:
        """Return whether every row surely fits, told in few steps; False: look at each."""
        if max(map(len, values)) > min(self._max_bytes, self._always_fits):
            return False
        if max(map(len, filter(None, batch.keys)), default=0) > self._settings.max_key_bytes:
            return False
        if max(map(len, batch.headers)) > self._settings.max_headers:
            return False
        if self._may_be_deep is None:
            return True
        return not any(self._may_be_deep(value, self._settings.max_depth) for value in values)

    def check(self, key: bytes | None, value: bytes, headers: Headers) -> None:
        """Check one record.

        Raises:
            TooLargeError: names the limit, and what was found.
        """
        if len(value) > self._max_bytes:
            raise TooLargeError(
                f"the value has {len(value):,} bytes: this agent's max_record_bytes is "
                f"{self._max_bytes:,}"
            )
        if len(key or b"") > self._settings.max_key_bytes:
            raise TooLargeError(
                f"the key has {len(key or b''):,} bytes: limits.max_key_bytes is "
                f"{self._settings.max_key_bytes:,}"
            )
        if len(headers) > self._settings.max_headers:
            raise TooLargeError(
                f"the record has {len(headers):,} headers: limits.max_headers is "
                f"{self._settings.max_headers:,}"
            )
        self._check_structure(value)

    def _check_structure(self, value: bytes) -> None:
        if self._scan is None:
            return
        deep = self._may_be_deep
        if len(value) > self._always_fits or (deep and deep(value, self._settings.max_depth)):
            self._scan(value, self._structure)

    def check_headers(self, headers: Headers) -> None:
        """Check headers that are about to be read.

        Raises:
            TooLargeError: names and values together are too long.
        """
        num_bytes = sum(len(name) + len(value or b"") for name, value in headers)
        if num_bytes > self._settings.max_header_bytes:
            raise TooLargeError(
                f"the headers have {num_bytes:,} bytes: limits.max_header_bytes is "
                f"{self._settings.max_header_bytes:,}"
            )


def _nests_freely(event_type: type[Event]) -> bool:
    """Return whether a field of the type can hold lists or maps of any depth."""
    seen: set[int] = set()

    def free(info: msgspec.inspect.Type) -> bool:
        if isinstance(info, msgspec.inspect.AnyType | msgspec.inspect.RawType):
            return True
        if isinstance(info, msgspec.inspect.CustomType):
            return True  # a type of the user's own, that msgspec knows nothing of
        if id(info) in seen:  # a type that holds itself
            return True
        seen.add(id(info))
        inside = [
            part
            for name in info.__struct_fields__
            for part in _parts(getattr(info, name))
        ]  # fmt: skip
        found = any(map(free, inside))
        seen.discard(id(info))
        return found

    return free(msgspec.inspect.type_info(event_type))


def _parts(found: object) -> list[msgspec.inspect.Type]:
    if isinstance(found, msgspec.inspect.Type):
        return [found]
    if isinstance(found, msgspec.inspect.Field):
        return [found.type]
    if isinstance(found, tuple):
        return [part for item in found for part in _parts(item)]
    return []
