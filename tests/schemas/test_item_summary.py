"""Summaries of items: what is valid, and that a summary is read as it was written."""

from __future__ import annotations

import base64

import msgspec
import pytest

from schemas import ItemSummary, ItemSummaryRecord, SchemaError
from schemas.cloudevents import type_name
from schemas.side_records import side_type


def record(**fields: object) -> ItemSummaryRecord:
    return msgspec.structs.replace(ItemSummaryRecord.example(), **fields)


def packed(*numbers: int) -> str:
    return base64.b64encode(b"".join(n.to_bytes(2, "little") for n in numbers)).decode()


def test_a_summary_is_read_as_it_was_written() -> None:
    summary = ItemSummary(
        agent="a", partition=2, sequence=9, items=["x", "y"], windows=packed(0, 65_535),
        weights=[2.0], factors=packed(0, 0), dimensions=2, removed=[1], restored=[0],
    )  # fmt: skip
    read = msgspec.json.decode(msgspec.json.encode(summary), type=ItemSummaryRecord)
    read.validate()
    fields = ("agent", "partition", "sequence", "items", "windows", "weights", "factors")
    for field in (*fields, "dimensions", "removed", "restored"):
        assert getattr(read, field) == getattr(summary, field)


def test_the_header_tells_a_summary_from_an_event() -> None:
    assert side_type([("ce_type", type_name(ItemSummary).encode())]) is ItemSummaryRecord


def test_the_example_is_valid() -> None:
    ItemSummaryRecord.example().validate()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"windows": "?"}, "expected base64"),
        ({"windows": base64.b64encode(b"abc").decode()}, "two bytes each"),
        ({"windows": packed(0, 1, 0)}, "do not fit 2 weights"),
        ({"windows": ""}, "do not fit 2 weights"),
        ({"windows": packed(0, 2, 0, 1)}, "item number 2: there are 2 items"),
        ({"weights": [1.0, -1.0]}, "from 0 to 1e6"),
        ({"removed": [7]}, "item number 7"),
        ({"items": ["tea", "tea"]}, "distinct"),
        ({"items": ["tea", ""]}, "not empty"),
        ({"factors": packed(0), "dimensions": 0}, "do not fit 0 dimensions"),
        ({"factors": packed(0, 0, 0), "dimensions": 2}, "do not fit 2 dimensions"),
        ({"factors": packed(*[0] * 6), "dimensions": 2}, "more vectors than the 2 items"),
        ({"factors": packed(0x7C00, 0), "dimensions": 2}, "finite"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        record(**fields).validate()
