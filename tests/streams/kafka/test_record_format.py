"""Records as written here are records as aiokafka's own parser reads them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.record_format import decode_records, encode_headers, encode_records, varint
from tests.fakes import decode_headers, parse_records

small = st.binary(max_size=40)
rows = st.tuples(
    st.none() | small,
    small,
    st.lists(st.tuples(st.text(max_size=8), st.none() | small), max_size=4),
)


@given(st.lists(rows, min_size=1, max_size=30), st.integers(1, 400))
def test_every_record_comes_back(
    written: list[tuple[bytes | None, bytes, list[tuple[str, bytes | None]]]], max_bytes: int
) -> None:
    keys, values = [row[0] for row in written], [row[1] for row in written]
    headers = [encode_headers(row[2]) for row in written]
    found = []
    row = 0
    while row < len(written):
        encoded, next_row = encode_records(keys, values, headers, row, max_bytes)
        assert next_row > row
        assert len(encoded) <= max_bytes or next_row == row + 1
        records = parse_records(encoded, next_row - row)
        assert [record.offset for record in records] == list(range(next_row - row))
        found += [(r.key, r.value, list(r.headers)) for r in records]
        again = zip(keys[row:next_row], values[row:next_row], headers[row:next_row], strict=True)
        assert list(decode_records(encoded)) == list(again)
        row = next_row
    assert found == written


def test_long_values_and_many_records() -> None:
    count = 20_000  # past the table of lengths, so past the two-byte varints
    values = [b"v" * 20_000, *[b"w"] * (count - 1)]
    nothing = encode_headers([])
    encoded, row = encode_records([None] * count, values, [nothing] * count, 0, 1 << 24)
    assert row == count
    records = parse_records(encoded, count)
    assert [record.value for record in records] == values
    assert records[-1].offset == count - 1


def test_varints_are_kafka_s() -> None:
    assert [varint(n).hex() for n in (0, 1, 63, 64, 300, 100_000)] == [
        "00", "02", "7e", "8001", "d804", "c09a0c",
    ]  # fmt: skip


def test_headers_may_be_null() -> None:
    headers: list[tuple[str, bytes | None]] = [("a", None), ("ä", b""), ("a", b"x")]
    assert decode_headers(encode_headers(headers)) == headers
