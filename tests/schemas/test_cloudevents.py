import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import EVENT_TYPES, RESULT_TYPES, SchemaError, SensorReading
from schemas.cloudevents import (
    MAX_RFC3339_MS,
    event_headers,
    parse_time,
    read_attributes,
    type_name,
)


def headers_at(time_ms: int, source: str = "pump-1") -> dict[str, bytes]:
    return dict(
        event_headers(
            event_id="r-1",
            type_name=type_name(SensorReading),
            source=source,
            time_ms=time_ms,
            content_type="application/json",
        )
    )


def test_the_headers_that_the_specification_requires_are_there() -> None:
    assert headers_at(1_700_000_000_250) == {
        "ce_specversion": b"1.0",
        "ce_type": b"penstock.sensor_reading.v1",
        "ce_source": b"pump-1",
        "content-type": b"application/json",
        "ce_id": b"r-1",
        "ce_time": b"2023-11-14T22:13:20.250Z",
    }


@pytest.mark.parametrize("time_ms", [0, MAX_RFC3339_MS + 1, 2**53 - 1])
def test_a_time_that_is_absent_or_out_of_range_is_left_out(time_ms: int) -> None:
    assert "ce_time" not in headers_at(time_ms)


def test_a_source_is_a_uri_reference() -> None:
    assert headers_at(0, "caméra 1")["ce_source"] == b"cam%C3%A9ra%201"
    assert headers_at(0, "rtsp://host:554/a?b=c#d")["ce_source"] == b"rtsp://host:554/a?b=c#d"


def test_type_names_are_unique() -> None:
    names = [type_name(cls) for cls in [*EVENT_TYPES.values(), *RESULT_TYPES.values()]]
    assert len(set(names)) == len(names)
    assert "penstock.nlu_result.v1" in names
    assert type_name(dict) == "penstock.dict.v1"


@given(st.integers(1, MAX_RFC3339_MS))
def test_times_round_trip(time_ms: int) -> None:
    attributes = read_attributes(headers_at(time_ms))
    assert attributes == ("r-1", "pump-1", time_ms)


@pytest.mark.parametrize(
    ("text", "time_ms"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2023-11-14T22:13:20z", 1_700_000_000_000),
        ("2023-11-14T22:13:20.25Z", 1_700_000_000_250),
        ("2023-11-14T22:13:20.250999999Z", 1_700_000_000_250),
        ("2023-11-15T00:13:20.250+02:00", 1_700_000_000_250),
        ("2023-11-14T14:43:20.250-07:30", 1_700_000_000_250),
        ("2023-11-14 22:13:20.001Z", 1_700_000_000_001),
    ],
)
def test_times_of_other_producers_are_read(text: str, time_ms: int) -> None:
    assert parse_time(text) == time_ms


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"yesterday", "RFC 3339"),
        (b"2023-02-30T00:00:00Z", "RFC 3339"),
        (b"2023-11-14T22:13:20", "offset from UTC"),
        (b"1969-12-31T23:59:59.999Z", "before 1970"),
        (b"\xff\xfe", "not UTF-8"),
    ],
)
def test_the_error_for_a_wrong_time_names_the_header(raw: bytes, what: str) -> None:
    with pytest.raises(SchemaError, match=f"ce_time.*{what}"):
        read_attributes({"ce_time": raw})


def test_absent_headers_give_empty_attributes() -> None:
    assert read_attributes({}) == ("", "", 0)
