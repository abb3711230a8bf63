"""A connection that breaks is an error of Kafka's, on uvloop as on asyncio's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import aiokafka.conn
import pytest
import uvloop
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka_connection import KafkaConnection, mend_connections

Run = Callable[[Coroutine[Any, Any, None]], None]


async def connected(kind: type[AIOKafkaConnection], port: int) -> AIOKafkaConnection:
    """Return a connection to something that never answers."""
    connection = kind("127.0.0.1", port)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    connection._reader, connection._writer = reader, writer
    connection._read_task = connection._create_reader_task()
    connection._versions = {3: (0, 5)}
    return connection


@asynccontextmanager
async def broken(kind: type[AIOKafkaConnection]) -> AsyncIterator[AIOKafkaConnection]:
    """A connection that broke, before its reader could take note."""
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    connection = await connected(kind, server.sockets[0].getsockname()[1])
    await asyncio.sleep(0.01)  # until it is served
    connection._writer.transport.abort()
    yield connection
    connection.close()
    await closed.wait()
    server.close()
    await server.wait_closed()


SENDS: dict[str, Callable[[AIOKafkaConnection], Any]] = {
    "request": lambda connection: connection.send(MetadataRequest([])),
    "token": lambda connection: connection._send_sasl_token(b"token"),
}


@pytest.mark.parametrize("send", list(SENDS))
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_send_on_a_broken_connection_is_an_error_of_kafka(run: Run, send: str) -> None:
    async def main() -> None:
        async with broken(KafkaConnection) as connection:
            with pytest.raises(KafkaConnectionError):
                await SENDS[send](connection)
            assert not connection.connected()

    run(main())


def test_stock_connections_raise_what_aiokafka_does_not_expect() -> None:
    """If this fails, the mending can go."""

    async def main() -> None:
        async with broken(AIOKafkaConnection) as connection:
            with pytest.raises(RuntimeError):
                await connection.send(MetadataRequest([]))

    uvloop.run(main())


def test_the_mended_kind_is_what_aiokafka_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiokafka.conn, "AIOKafkaConnection", AIOKafkaConnection)
    mend_connections()
    assert aiokafka.conn.AIOKafkaConnection is KafkaConnection
