"""Event times in the formats that producers use, as milliseconds since 1970."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import SchemaError
from schemas.mapping.conversions import parsed_number
from schemas.mapping.describe import found

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_MILLISECOND = timedelta(milliseconds=1)
_MAX_MS = 2**53 - 1
_ISO_EXAMPLE = "2026-11-28T05:26:18.454+01:00"

#: Format -> how many of its units a second has.
UNITS = {"unix_s": 1, "unix_ms": 1000, "unix_us": 1_000_000, "unix_ns": 1_000_000_000}
FORMATS = ("iso8601", *UNITS)


def parse_zone(text: str) -> tzinfo:
    """Return the time zone of a name such as `UTC`, `Europe/Berlin` or `+01:00`.

    Raises:
        ValueError: there is no such zone.
    """
    if text.upper() in ("UTC", "Z"):
        return UTC
    try:
        if text[:1] in "+-":
            offset = datetime.strptime(text, "%z").utcoffset()
            return timezone(offset or timedelta())
        return ZoneInfo(text)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        raise ValueError("expected UTC, +01:00 or a name such as Europe/Berlin") from None


def time_converter(format: str, zone: tzinfo | None, *, is_text: bool) -> Callable[[Any], int]:
    """Return a function that turns one value into milliseconds since 1970.

    Args:
        format: one of `FORMATS`.
        zone: of ISO times without an offset; None: such a time is refused.
        is_text: whether the number of a unix format may be written as text.

    Returns:
        It raises a `SchemaError` for what is not such a time, or lies before 1970 or after the
        largest event time. Digits finer than a millisecond are cut off.
    """
    if format == "iso8601":

        def convert_iso(value: Any) -> int:
            try:
                return plain_iso_ms(value)
            except (ValueError, TypeError, OverflowError):
                return _in_range(_from_iso(value, zone), value)

        return convert_iso
    per_second = UNITS[format]

    def convert(value: Any) -> int:
        if type(value) is int:
            time_ms = value * 1000 // per_second
            if 0 <= time_ms <= _MAX_MS:
                return time_ms
        return _in_range(_from_unix(value, format, per_second, is_text), value)

    return convert


def plain_iso_ms(text: str) -> int:
    """Return the milliseconds of an ISO time with an offset from UTC, in the least time.

    Raises:
        Exception: of any type, for anything else: `time_converter` says what is wrong.
    """
    time_ms = (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    if not 0 <= time_ms <= _MAX_MS:
        raise ValueError
    return time_ms


def _in_range(time_ms: int, value: Any) -> int:
    if not 0 <= time_ms <= _MAX_MS:
        why = "before 1970" if time_ms < 0 else "after the largest time that an event can have"
        raise SchemaError(f"{found(value)} is {why}")
    return time_ms


def _from_unix(value: Any, format: str, per_second: int, is_text: bool) -> int:
    if isinstance(value, datetime | date):  # the format has types for times
        return _from_moment(value, UTC)
    if is_text and isinstance(value, str):
        value = parsed_number(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value * 1000 // per_second
    if isinstance(value, float) and math.isfinite(value):
        time_ms = value * 1000 / per_second
        if math.isinf(time_ms):  # `value` is near the largest float
            time_ms = value
        return round(time_ms) if per_second <= 1000 else int(time_ms)
    raise SchemaError(f"expected a number ({format}), found {found(value)}")


def _from_iso(value: Any, zone: tzinfo | None) -> int:
    if isinstance(value, datetime | date):
        return _from_moment(value, zone or UTC)
    if not isinstance(value, str):
        raise SchemaError(f"expected an ISO 8601 time such as {_ISO_EXAMPLE}, found {found(value)}")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = _from_odd_iso(value)
    if moment.tzinfo is None and zone is None:
        raise SchemaError(
            f"{found(value)} has no offset from UTC: expected e.g. {_ISO_EXAMPLE} (or give "
            "the zone of such times: `zone: UTC`)"
        )
    return _from_moment(moment, zone or UTC)


def _from_odd_iso(text: str) -> datetime:
    """Parse RFC 3339's lower-case t and z, and an offset without a colon after a blank."""
    try:
        return datetime.fromisoformat(text.strip().upper().replace(" UTC", "Z"))
    except ValueError:
        raise SchemaError(
            f"expected an ISO 8601 time such as {_ISO_EXAMPLE}, found {found(text)}"
        ) from None


def _from_moment(moment: date, zone: tzinfo) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - the zone follows
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    elapsed = moment - _EPOCH
    return elapsed.days * _DAY_MS + elapsed.seconds * 1000 + elapsed.microseconds // 1000
