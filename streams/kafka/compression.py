"""Kafka's codecs, as a record batch's attributes name them.

Records are compressed on the thread that encoded them, not on the event loop's, and by LZ4 at its
fast level: aiokafka's own, 9, takes many times as long to make results little smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from aiokafka.codec import (
    gzip_decode,
    gzip_encode,
    lz4_decode,
    lz4_encode,
    snappy_decode,
    snappy_encode,
    zstd_decode,
    zstd_encode,
)

#: The low bits of a batch's attributes, by the name that `compression.type` gives the codec.
CODECS: dict[str | None, int] = {None: 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}

_ENCODERS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip_encode,
    2: snappy_encode,
    3: partial(lz4_encode, level=1),
    4: zstd_encode,
}
_DECODERS: dict[int, Callable[[bytes], bytes]] = {
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}


def compress(encoded: bytes, codec: int) -> tuple[bytes, int]:
    """Return records compressed and the codec, or as they are and 0 where that is no longer."""
    if not codec:
        return encoded, 0
    compressed = _ENCODERS[codec](encoded)
    return (compressed, codec) if len(compressed) < len(encoded) else (encoded, 0)


def decompress(encoded: bytes, codec: int) -> bytes:
    """Return what `compress` was given."""
    return _DECODERS[codec](encoded) if codec else encoded
