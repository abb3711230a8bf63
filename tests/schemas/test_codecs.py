import json
import math
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import (
    EVENT_TYPES,
    AnomalyReport,
    AudioChunk,
    BehaviorEvent,
    Cluster,
    ClusterReport,
    DecodeError,
    DetectedFrame,
    Detection,
    EmptyValueError,
    Event,
    Feedback,
    GlobalClusterRecord,
    Heartbeat,
    InputError,
    Interaction,
    ItemSummaryRecord,
    Member,
    SchemaError,
    SensorReading,
    TextMessage,
    UnknownVersionError,
    VideoFrame,
    make_codec,
)

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.dictionaries(TEXT, FINITE, min_size=1, max_size=6)
BASE: dict[str, st.SearchStrategy[Any]] = {
    "source_id": TEXT,
    "event_id": TEXT,
    "event_time_ms": st.integers(0, 2**53 - 1),
}
#: How to fill in each event type's own fields.
FIELDS: dict[type[Event], dict[str, st.SearchStrategy[Any]]] = {
    Heartbeat: {},
    Feedback: {
        "label": st.text(min_size=1, max_size=9),
        "about": st.text(min_size=1, max_size=9),
        "answer": st.sampled_from(["", "in:0:7"]),
    },
    AudioChunk: {
        # 24 bytes are whole samples of each encoding and number of channels here.
        "audio": st.binary(min_size=24, max_size=24),
        "encoding": st.sampled_from(["s16le", "f32le", "wav", "flac", "opus"]),
        "sample_rate_hz": st.integers(1, 384_000),
        "num_channels": st.integers(1, 3),
        "sequence": st.integers(-1, 2**53 - 1),
        "is_end": st.booleans(),
    },
    VideoFrame: {"image": st.binary(min_size=1, max_size=60), "frame_index": st.integers(0, 2**60)},
    TextMessage: {"text": TEXT.filter(bool), "language": TEXT},
    SensorReading: {"values": NUMBERS},
    BehaviorEvent: {"action": TEXT, "features": NUMBERS},
    AnomalyReport: {
        "score": st.floats(0, 1),
        "is_anomaly": st.booleans(),
        "channel": TEXT,
        "expected": st.none() | FINITE,
    },
    Interaction: {"item": TEXT, "action": TEXT, "weight": st.floats(0, 100)},
    DetectedFrame: {
        "width": st.integers(1, 9000),
        "height": st.integers(1, 9000),
        "detections": st.lists(
            st.builds(
                Detection,
                label=TEXT,
                class_id=st.integers(0, 99),
                score=st.floats(0, 1),
                box=st.tuples(*[st.floats(0, 9000)] * 4),
                track_id=st.none() | st.integers(1, 2**60),
            ),
            max_size=4,
        ),
    },
    GlobalClusterRecord: {
        "global_id": st.integers(0, 2**53 - 1),
        "status": st.sampled_from(["born", "split", "merged", "changed", "died"]),
        "weight": FINITE,
        "center": NUMBERS,
        "radius": FINITE,
        "drift": FINITE,
        "members": st.lists(
            st.builds(Member, TEXT, st.integers(0, 2**31 - 1), st.integers(0, 2**60)), max_size=4
        ),
        "from_ids": st.lists(st.integers(0, 2**60), max_size=4),
        "into_id": st.integers(-1, 2**60),
    },
    ItemSummaryRecord: {
        "agent": TEXT,
        "partition": st.integers(-1, 2**31 - 1),
        "sequence": st.integers(-1, 2**53 - 1),
        "items": st.just(["a", "b"]),
        "windows": st.sampled_from(["AAABAA==", "//8BAA=="]),
        "weights": st.lists(st.floats(0, 1e6), min_size=1, max_size=1),
        "factors": st.sampled_from(["", "AAAAAA=="]),
        "dimensions": st.just(2),
        "removed": st.lists(st.integers(0, 1), max_size=2),
        "restored": st.lists(st.integers(0, 1), max_size=2),
    },
    ClusterReport: {
        "agent": TEXT,
        "partition": st.integers(-1, 2**31 - 1),
        "sequence": st.integers(-1, 2**53 - 1),
        "clusters": st.lists(
            st.builds(
                Cluster,
                cluster_id=st.integers(0, 2**60),
                center=NUMBERS,
                weight=st.floats(0, 1e9),
                radius=st.floats(0, 1e9),
                group=st.integers(-1, 2**60),
            ),
            max_size=4,
        ),
        "low": NUMBERS,
        "high": NUMBERS,
        "is_log": st.booleans(),
        "reach": st.floats(0, 1e9),
    },
}
FORMATS = {"json": "JSON", "msgpack": "MessagePack"}
CODECS = list(FORMATS)
TYPES = list(EVENT_TYPES.values())
ENCODE: dict[str, Callable[[Any], bytes]] = {
    "json": msgspec.json.encode,
    "msgpack": msgspec.msgpack.encode,
}


def events(cls: type[Event]) -> st.SearchStrategy[Event]:
    return st.fixed_dictionaries({**BASE, **FIELDS[cls]}).map(lambda fields: cls(**fields))


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data())
def test_every_event_type_round_trips(codec: str, data: st.DataObject) -> None:
    for cls in TYPES:
        event = data.draw(events(cls))
        pair = make_codec(codec, cls)
        assert pair.decode(pair.encode(event), {}) == event


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
def test_examples_set_every_field_and_round_trip(cls: type[Event], codec: str) -> None:
    event = cls.example()
    defaults = {f.name: f.default for f in msgspec.structs.fields(cls)}
    unset = [n for n, d in defaults.items() if n != "schema_version" and getattr(event, n) == d]
    assert unset == []
    pair = make_codec(codec, cls)
    assert pair.decode(pair.encode(event), {}) == event


def test_the_strategies_cover_every_event_type() -> None:
    assert set(FIELDS) == set(TYPES)
    for cls, own in FIELDS.items():
        names = {f.name for f in msgspec.structs.fields(cls)}
        assert {*BASE, *own, "schema_version"} == names


@given(data=st.binary(max_size=80), codec=st.sampled_from(CODECS), cls=st.sampled_from(TYPES))
def test_random_bytes_are_events_or_input_errors(data: bytes, codec: str, cls: type[Event]) -> None:
    try:
        make_codec(codec, cls).decode(data, {}).validate()
    except InputError as error:
        message = (str(error), error.reason)
    else:
        message = ("an event", "valid")
    assert all(message)


@given(cut=st.integers(0, 10_000), codec=st.sampled_from(CODECS), cls=st.sampled_from(TYPES))
def test_a_truncated_record_is_an_input_error(cut: int, codec: str, cls: type[Event]) -> None:
    pair = make_codec(codec, cls)
    value = pair.encode(cls.example())
    with pytest.raises(DecodeError):
        pair.decode(value[: cut % len(value)], {})


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("cls", "field"), [(SensorReading, "values"), (BehaviorEvent, "features")])
def test_numbers_must_be_finite(cls: type[Event], field: str, number: float, codec: str) -> None:
    body = {"action": "a", field: {"fine": 1.0, "bad": number}}
    if codec == "json":
        text = json.dumps(body)  # writes NaN and Infinity, as JavaScript does and JSON does not
        with pytest.raises(DecodeError, match="not JSON"):
            make_codec(codec, cls).decode(text.encode(), {})
        return
    with pytest.raises(SchemaError, match=rf"{field}\.bad: expected a finite number"):
        make_codec(codec, cls).decode(ENCODE[codec](body), {})


def test_a_message_about_another_large_bound_is_not_changed() -> None:
    reading = SensorReading(values={"a": 1.7e308, "b": 1.7e308})
    pair = make_codec("msgpack", SensorReading)
    assert pair.decode(pair.encode(reading), {}) == reading


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("cls", "body", "error", "what"),
    [
        (SensorReading, {}, SchemaError, "missing required field `values`"),
        (SensorReading, {"values": {}}, SchemaError, "length >= 1"),
        (
            SensorReading,
            {"values": {"a": "1"}},
            SchemaError,
            r"values\.a: expected a number",
        ),
        (SensorReading, {"values": {"a": None}}, SchemaError, "values: each entry is null"),
        (SensorReading, [1, 2], SchemaError, "Expected `object`, got `array`"),
        (SensorReading, {"values": {"a": 1.0}, "source_id": 7}, SchemaError, r"\$\.source_id"),
        (
            SensorReading,
            {"values": {"a": 1}, "event_time_ms": -1},
            SchemaError,
            "`int` >= 0 - at `\\$.event_time_ms`",
        ),
        (
            SensorReading,
            {"values": {"a": 1}, "event_time_ms": 2**53},
            SchemaError,
            "<= 9007199254740991",
        ),
        (
            SensorReading,
            {"values": {"a": 1.0}, "schema_version": 9},
            UnknownVersionError,
            "unknown schema_version 9 of SensorReading: this build reads 1",
        ),
        (TextMessage, {"text": ""}, SchemaError, "length >= 1"),
        (TextMessage, {"text": 5}, SchemaError, r"Expected `str`, got `int`.*\$\.text"),
        (BehaviorEvent, {"features": {"a": 1.0}}, SchemaError, "missing required field `action`"),
        (VideoFrame, {"image": b""}, SchemaError, "length >= 1 - at `\\$.image`"),
        (VideoFrame, {"image": 5}, SchemaError, "Expected `bytes`"),
    ],
)
def test_the_error_for_an_invalid_event_says_what_was_expected(
    cls: type[Event], body: Any, error: type[InputError], what: str, codec: str
) -> None:
    with pytest.raises(error, match=what) as raised:
        make_codec(codec, cls).decode(ENCODE[codec](body), {})
    assert type(raised.value) is error


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
def test_an_empty_value_has_a_reason_different_from_wrong_bytes(
    cls: type[Event], codec: str
) -> None:
    with pytest.raises(EmptyValueError, match=f"no bytes: expected {cls.__name__}"):
        make_codec(codec, cls).decode(b"", {})


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        ("json", b"{'values': {}}"),
        ("json", b'{"values": {"a": 1}'),
        ("json", b'{"values": {"\xff": 1}}'),
        ("json", b"\x81\xa6values"),
        ("msgpack", b"\xc1"),
        ("msgpack", b"\x81\xa6val"),
    ],
)
def test_bytes_of_another_format_are_decode_errors(codec: str, value: bytes) -> None:
    with pytest.raises(DecodeError, match=f"not {FORMATS[codec]}"):
        make_codec(codec, SensorReading).decode(value, {})


@pytest.mark.parametrize("depth", [100, 100_000])
@pytest.mark.parametrize("where", ["known", "unknown"])
def test_deep_nesting_is_an_input_error(depth: int, where: str) -> None:
    """In a field that is read as well as in one that is skipped, which msgspec must walk too."""
    name = "values" if where == "known" else "extra"
    as_json = b'{"%s": %s%s}' % (name.encode(), b"[" * depth, b"]" * depth)
    as_msgpack = b"\x81" + msgspec.msgpack.encode(name) + b"\x91" * depth + b"\xc0"
    for codec, value in [("json", as_json), ("msgpack", as_msgpack)]:
        with pytest.raises(InputError):
            make_codec(codec, SensorReading).decode(value, {})


def test_the_image_codec_reads_only_images() -> None:
    codec = make_codec("image", VideoFrame)
    headers = {"frame_index": b"7"}
    example = VideoFrame.example()
    frame = codec.decode(example.image, headers)
    assert frame == VideoFrame(image=example.image, frame_index=7)
    with pytest.raises(EmptyValueError, match="JPEG, PNG, WebP"):
        codec.decode(b"", {})
    with pytest.raises(DecodeError, match="starts with 47 49 58"):
        codec.decode(b"GIX89a", {})
    with pytest.raises(SchemaError, match="header frame_index is b'x'"):
        codec.decode(example.image, {"frame_index": b"x"})
    with pytest.raises(UnknownVersionError, match="schema_version 3"):
        codec.decode(example.image, {"schema_version": b"3"})


def test_codecs_are_created_by_name() -> None:
    with pytest.raises(
        ValueError, match="no codec 'avro': expected one of json, msgpack, image, audio"
    ):
        make_codec("avro", SensorReading)
    with pytest.raises(ValueError, match="image codec reads VideoFrame, not TextMessage"):
        make_codec("image", TextMessage)
