"""Encoded records are read back by aiokafka's own parser; codecs and checksums match it too."""

from __future__ import annotations

import random
from itertools import pairwise

import google_crc32c
import pytest
from aiokafka.codec import lz4_encode
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.record_format import (
    CODECS,
    compress,
    crc32c,
    decode_records,
    decompress,
    encode_headers,
    encode_records,
    varint,
)
from tests.fakes import decode_headers, parse_records

small = st.binary(max_size=40)
rows = st.tuples(
    st.none() | small,
    small,
    st.lists(st.tuples(st.text(max_size=8), st.none() | small), max_size=4),
)


@given(st.lists(rows, min_size=1, max_size=30), st.integers(1, 400))
def test_every_record_is_read_back(
    written: list[tuple[bytes | None, bytes, list[tuple[str, bytes | None]]]], max_bytes: int
) -> None:
    keys, values = [row[0] for row in written], [row[1] for row in written]
    headers = [encode_headers(row[2]) for row in written]
    parsed = []
    row = 0
    while row < len(written):
        encoded, next_row = encode_records(keys, values, headers, row, max_bytes)
        assert next_row > row
        assert len(encoded) <= max_bytes or next_row == row + 1
        records = parse_records(encoded, next_row - row)
        assert [record.offset for record in records] == list(range(next_row - row))
        parsed += [(r.key, r.value, list(r.headers)) for r in records]
        again = zip(keys[row:next_row], values[row:next_row], headers[row:next_row], strict=True)
        assert list(decode_records(encoded)) == list(again)
        row = next_row
    assert parsed == written


def test_long_values_and_many_records() -> None:
    count = 20_000  # more than the cached varints
    values = [b"v" * 20_000, *[b"w"] * (count - 1)]
    nothing = encode_headers([])
    encoded, row = encode_records([None] * count, values, [nothing] * count, 0, 1 << 24)
    assert row == count
    records = parse_records(encoded, count)
    assert [record.value for record in records] == values
    assert records[-1].offset == count - 1


def test_varints_match_kafka_s() -> None:
    assert [varint(n).hex() for n in (0, 1, 63, 64, 300, 100_000)] == [
        "00", "02", "7e", "8001", "d804", "c09a0c",
    ]  # fmt: skip


def test_headers_may_be_null() -> None:
    headers: list[tuple[str, bytes | None]] = [("a", None), ("ä", b""), ("a", b"x")]
    assert decode_headers(encode_headers(headers)) == headers


@pytest.mark.parametrize("name", [name for name in CODECS if name])
def test_a_codec_compresses_and_decompresses(name: str) -> None:
    encoded = b"content-type: application/json" * 100
    compressed, codec = compress(encoded, CODECS[name])
    assert codec == CODECS[name]
    assert len(compressed) < len(encoded) / 5
    assert decompress(compressed, codec) == encoded


@pytest.mark.parametrize("name", CODECS)
def test_records_that_do_not_shrink_stay_uncompressed(name: str | None) -> None:
    encoded = random.Random(1).randbytes(100)
    assert compress(encoded, CODECS[name]) == (encoded, 0)
    assert decompress(encoded, 0) is encoded


def test_lz4_uses_its_fast_level() -> None:
    words = [random.Random(row % 50).randbytes(8).hex().encode() for row in range(5000)]
    encoded = b" ".join(random.Random(1).sample(words, len(words)))
    assert compress(encoded, CODECS["lz4"])[0] == lz4_encode(encoded, level=1)
    assert lz4_encode(encoded, level=1) != lz4_encode(encoded, level=9)


def test_crc32c_has_its_published_check_values() -> None:
    """RFC 3720, appendix B.4, and the CRC catalog's check value."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("cuts", [(), (1,), (40, 41), (0, 9_999)])
def test_the_crc32c_of_parts_is_that_of_the_joined_bytes(cuts: tuple[int, ...]) -> None:
    data = random.Random(1).randbytes(10_000)
    ends = [0, *cuts, len(data)]
    parts = [data[start:end] for start, end in pairwise(ends)]
    assert crc32c(*parts) == calc_crc32c(data)


def test_without_compiled_google_crc32c_aiokafka_s_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(google_crc32c, "implementation", "python")
    monkeypatch.setattr(google_crc32c, "extend", None)
    assert crc32c(b"1234", b"56789") == 0xE3069283
