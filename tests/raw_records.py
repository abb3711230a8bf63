"""Send records with header names of any bytes, which client libraries refuse."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from streams.kafka.record_format import CODECS, compress, encode_records, varint
from streams.output_records import PackedBatch
from streams.transport.encoded_batch import EncodedBatch

RawHeaders = Sequence[tuple[bytes, bytes]]


def encode_raw_headers(headers: RawHeaders) -> bytes:
    """Return the headers of one record in the wire format."""
    parts = [varint(len(name)) + name + varint(len(value)) + value for name, value in headers]
    return varint(len(headers)) + b"".join(parts)


async def send_raw(
    bootstrap: str,
    topic: str,
    partition: int,
    records: Sequence[tuple[bytes | None, bytes, RawHeaders]],
    compression: str | None = None,
) -> int:
    """Send records as one producer batch; return the offset of the first."""
    keys, values, headers = zip(*records, strict=True)
    encoded, num_records = encode_records(
        keys, values, [encode_raw_headers(pairs) for pairs in headers], 0, 900_000
    )
    assert num_records == len(records)
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
    ) as producer:
        packed = PackedBatch(num_records, *compress(encoded, CODECS[compression]))
        batch = EncodedBatch(packed, time.time_ns() // 1_000_000)
        metadata = await (await producer.send_batch(batch, topic, partition=partition))
    return int(metadata.offset)
