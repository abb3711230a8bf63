from __future__ import annotations

import random

import aiokafka.record.default_records
import google_crc32c
import pytest
from aiokafka.record.util import calc_crc32c

from streams.checksums import checksum_in_hardware, crc32c


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_check_value_of_its_definition(kind: type) -> None:
    """RFC 3720, appendix B.4, and the CRC catalogue's check value."""
    assert crc32c(kind(bytes(32))) == 0x8A9136AA
    assert crc32c(kind(b"123456789")) == 0xE3069283


def test_aiokafka_uses_it_and_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.record.default_records, "calc_crc32c", calc_crc32c)
    checksum_in_hardware()
    data = random.Random(1).randbytes(10_000)
    assert aiokafka.record.default_records.calc_crc32c(data) == calc_crc32c(data)
    assert aiokafka.record.default_records.calc_crc32c is crc32c


def test_without_its_compiled_part_it_is_aiokafkas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_crc32c, "implementation", "python")
    monkeypatch.setattr(google_crc32c, "value", None)
    assert crc32c(b"123456789") == 0xE3069283
