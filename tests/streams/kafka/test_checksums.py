from __future__ import annotations

import random
from itertools import pairwise

import google_crc32c
import pytest
from aiokafka.record.util import calc_crc32c

from streams.kafka.checksums import crc32c


def test_the_check_value_of_its_definition() -> None:
    """RFC 3720, appendix B.4, and the CRC catalogue's check value."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"123456789") == 0xE3069283


@pytest.mark.parametrize("cuts", [(), (1,), (40, 41), (0, 9_999)])
def test_parts_count_as_joined(cuts: tuple[int, ...]) -> None:
    data = random.Random(1).randbytes(10_000)
    ends = [0, *cuts, len(data)]
    parts = [data[start:end] for start, end in pairwise(ends)]
    assert crc32c(*parts) == calc_crc32c(data)


def test_without_its_compiled_part_it_is_aiokafkas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_crc32c, "implementation", "python")
    monkeypatch.setattr(google_crc32c, "extend", None)
    assert crc32c(b"1234", b"56789") == 0xE3069283
