from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import pytest

from schemas import SchemaError
from schemas.mapping import conversions
from schemas.mapping.times import parse_zone, time_converter

MS = 1_795_839_978_454  # 2026-11-28T04:26:18.454Z


@pytest.mark.parametrize(
    ("format", "value", "time_ms"),
    [
        ("iso8601", "2026-11-28T05:26:18.454+01:00", MS),
        ("iso8601", "2026-11-28T04:26:18.454Z", MS),
        ("iso8601", "2026-11-28t04:26:18.454z", MS),
        ("iso8601", "2026-11-28 04:26:18.454+00:00", MS),
        ("iso8601", "2026-11-28T04:26:18.454999999Z", MS),
        ("iso8601", "2026-11-28T04:26:18Z", MS - 454),
        ("iso8601", "1970-01-01T00:00:00Z", 0),
        ("iso8601", datetime(2026, 11, 28, 4, 26, 18, 454_999, UTC), MS),
        ("unix_s", 1_795_839_978, MS - 454),
        ("unix_s", 1_795_839_978.454, MS),
        ("unix_ms", MS, MS),
        ("unix_ms", float(MS), MS),
        ("unix_us", MS * 1000 + 999, MS),
        ("unix_ns", MS * 1_000_000 + 999_999, MS),
        ("unix_ms", datetime(2026, 11, 28, 4, 26, 18, 454_000, UTC), MS),
        ("unix_ms", date(1970, 1, 2), 86_400_000),
    ],
)
def test_formats(format: str, value: Any, time_ms: int) -> None:
    assert time_converter(format, None, is_text=False)(value) == time_ms


@pytest.mark.parametrize(
    ("format", "value", "words"),
    [
        ("iso8601", "28.11.2026", "expected an ISO 8601 time such as"),
        ("iso8601", 1_795_839_978, "expected an ISO 8601 time such as .*, found the number"),
        ("iso8601", "2026-11-28T04:26:18", "has no offset from UTC"),
        ("iso8601", "0001-01-01T00:00:00Z", "is before 1970"),
        ("unix_s", "1795839978", r"expected a number \(unix_s\), found the text '1795839978'"),
        ("unix_ms", -1, "is before 1970"),
        ("unix_ms", 2**53, "after the largest time"),
        ("unix_s", 2**60, "after the largest time"),
        ("unix_s", 1e300, "after the largest time"),
        ("unix_ns", 1.7e308, "after the largest time"),
        ("unix_us", -1.7e308, "is before 1970"),
        ("unix_ms", math.nan, "expected a number"),
        ("unix_ms", math.inf, "expected a number"),
        ("unix_ms", True, "found true"),
        ("unix_ms", {}, "found an empty object"),
    ],
)
def test_what_is_no_such_time_is_refused(format: str, value: Any, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        time_converter(format, None, is_text=False)(value)


def test_a_number_may_be_text_only_if_asked() -> None:
    convert = time_converter("unix_ms", None, is_text=True)
    assert convert(str(MS)) == MS
    assert convert(f"{MS}.0") == MS
    with pytest.raises(SchemaError, match="found the text 'soon'"):
        convert("soon")


def test_the_zone_of_times_without_an_offset() -> None:
    for zone, hours in (("UTC", 0), ("+01:00", 1), ("Europe/Berlin", 1), ("-05:30", -5.5)):
        convert = time_converter("iso8601", parse_zone(zone), is_text=False)
        assert convert("2026-11-28T04:26:18.454") == MS - hours * 3_600_000
        assert convert("2026-11-28T04:26:18.454Z") == MS


def test_an_unknown_zone() -> None:
    with pytest.raises(ValueError, match="Europe/Berlin"):
        parse_zone("Mars/Olympus")


@pytest.mark.parametrize(
    "text", ["1_795_839_978", "\u0661\u0667", "nan", "inf", "0x10", "", "1" * 500]
)
def test_a_text_that_only_python_takes_for_a_number_is_refused(text: str) -> None:
    with pytest.raises(SchemaError):
        time_converter("unix_s", None, is_text=True)(text)
    with pytest.raises(SchemaError):
        conversions.to_whole_number_or_text(text)
    with pytest.raises(SchemaError):
        conversions.to_number_or_text(text)


def test_whole_numbers_in_texts_are_exact() -> None:
    assert conversions.to_whole_number_or_text(" 9007199254740993") == 9_007_199_254_740_993
    assert conversions.to_whole_number_or_text("7.0") == 7
    assert time_converter("unix_ns", None, is_text=True)("1795839978454999999") == 1_795_839_978_454
