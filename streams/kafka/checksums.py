"""Kafka's checksums of record batches by the processor's own instruction.

aiokafka computes CRC-32C in software, about 2 GB/s: of small records a noticeable part of the
whole, since each is summed as it comes and its result as it leaves.
"""

from __future__ import annotations

import google_crc32c
from aiokafka.record.util import calc_crc32c as crc32c_in_software


def crc32c(*parts: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of bytes, or of several as if they were joined."""
    if google_crc32c.implementation != "c":
        checksum: int = crc32c_in_software(b"".join(parts))
        return checksum
    checksum = 0
    for part in parts:
        checksum = google_crc32c.extend(checksum, part)
    return checksum
