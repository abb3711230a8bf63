from __future__ import annotations

import random

import pytest
from aiokafka.codec import lz4_encode

from streams.kafka.compression import CODECS, compress, decompress


@pytest.mark.parametrize("name", [name for name in CODECS if name])
def test_it_shrinks_and_comes_back(name: str) -> None:
    encoded = b"content-type: application/json" * 100
    compressed, codec = compress(encoded, CODECS[name])
    assert codec == CODECS[name]
    assert len(compressed) < len(encoded) / 5
    assert decompress(compressed, codec) == encoded


@pytest.mark.parametrize("name", CODECS)
def test_what_does_not_shrink_stays_as_it_is(name: str | None) -> None:
    encoded = random.Random(1).randbytes(100)
    assert compress(encoded, CODECS[name]) == (encoded, 0)
    assert decompress(encoded, 0) is encoded


def test_lz4_is_at_its_fast_level() -> None:
    words = [random.Random(row % 50).randbytes(8).hex().encode() for row in range(5000)]
    encoded = b" ".join(random.Random(1).sample(words, len(words)))
    assert compress(encoded, CODECS["lz4"])[0] == lz4_encode(encoded, level=1)
    assert lz4_encode(encoded, level=1) != lz4_encode(encoded, level=9)
