"""A broken connection raises a Kafka error, on uvloop and on asyncio's event loop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiokafka.conn
import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest

from streams.output_records import PackedBatch
from streams.transport.connection import KafkaConnection, fix_connections
from streams.transport.encoded_batch import EncodedBatch

Run = Callable[[Coroutine[Any, Any, None]], None]


async def connected(kind: type[AIOKafkaConnection], port: int) -> AIOKafkaConnection:
    """Return a connection to something that never answers."""
    connection = kind("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection._reader, connection._writer = reader, writer
    connection._read_task = connection._create_reader_task()
    connection._versions = {0: (0, 8), 3: (0, 5)}
    return connection


@asynccontextmanager
async def served(
    kind: type[AIOKafkaConnection] = KafkaConnection, reads_after: float = 0.0
) -> AsyncIterator[tuple[AIOKafkaConnection, bytearray]]:
    """A connection, and what has been read at its other end once the block is left."""
    received = bytearray()
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(reads_after)
        with suppress(ConnectionError):
            while data := await reader.read(100_000):
                received.extend(data)
        writer.close()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = await connected(kind, server.sockets[0].getsockname()[1])
    await asyncio.sleep(0.01)  # until it is served
    try:
        yield connection, received
    finally:
        connection.close()
        await closed.wait()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def broken(kind: type[AIOKafkaConnection]) -> AsyncIterator[AIOKafkaConnection]:
    """A connection that broke, before its reader could take note."""
    async with served(kind) as (connection, _):
        connection._writer.transport.abort()
        yield connection


REQUESTS: dict[str, Any] = {
    "request": MetadataRequest([]),
    "results": ProduceRequest(transactional_id=None, required_acks=-1, timeout=1000, topics=[]),
}
SENDS: dict[str, Callable[[AIOKafkaConnection], Any]] = {
    "request": lambda connection: connection.send(REQUESTS["request"]),
    "results": lambda connection: connection.send(REQUESTS["results"]),
    "token": lambda connection: connection._send_sasl_token(b"token"),
}


@pytest.mark.parametrize("send", list(SENDS))
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_send_on_a_broken_connection_raises_a_kafka_error(run: Run, send: str) -> None:
    async def main() -> None:
        async with broken(KafkaConnection) as connection:
            with pytest.raises(KafkaConnectionError):
                await SENDS[send](connection)
            assert not connection.connected()

    run(main())


def test_stock_connections_raise_an_error_that_aiokafka_does_not_handle() -> None:
    """If this fails, the mending can go."""

    async def main() -> None:
        async with broken(AIOKafkaConnection) as connection:
            with pytest.raises(RuntimeError):
                await connection.send(MetadataRequest([]))

    uvloop.run(main())


@pytest.mark.parametrize("kind", list(REQUESTS))
def test_a_broker_without_a_common_version_is_reported_and_stays_connected(kind: str) -> None:
    """It must not pass for a broken connection, which would be tried again for ever."""

    async def main() -> None:
        async with served() as (connection, _):
            connection._versions = {0: (99, 99), 3: (99, 99)}
            with pytest.raises(IncompatibleBrokerVersion):
                await connection.send(REQUESTS[kind])
            assert connection.connected()

    uvloop.run(main())


def test_aiokafka_makes_fixed_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaConnection", AIOKafkaConnection)
    fix_connections()
    assert aiokafka.conn.AIOKafkaConnection is KafkaConnection


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_large_results_arrive_whole_at_a_slow_reader(run: Run) -> None:
    batch = EncodedBatch(PackedBatch(1, random.Random(1).randbytes(3_000_000)), 0)
    request = ProduceRequest(
        transactional_id=None, required_acks=-1, timeout=1000, topics=[("t", [(0, batch._build())])]
    )

    async def main() -> None:
        # The sender's buffers are full before anything is read.
        async with served(reads_after=0.1) as (connection, received):
            answer = asyncio.ensure_future(connection.send(request))
            wanted = request.prepare(connection._versions)
            header = wanted.build_request_header(correlation_id=1, client_id=connection._client_id)
            expected = header.encode() + wanted.encode()
            await connection._writer.drain()
            connection.close()
            with pytest.raises(KafkaConnectionError):
                await answer
        assert received == len(expected).to_bytes(4, "big") + expected

    run(main())


async def test_no_metadata_request_may_create_a_topic() -> None:
    """By the bytes that are sent: the request's last one is `allow_auto_topic_creation`."""
    for asked in (None, True):
        async with served() as (connection, received):
            answer = connection.send(MetadataRequest(["absent"], asked))
            await asyncio.sleep(0.05)
            answer.close()
        assert received[-len("absent") - 1 :] == b"absent\x00"
