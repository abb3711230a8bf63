"""Records whose pictures are elsewhere, in the whole engine, with a real web server."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from schemas import DeadLetter, VideoFrame
from schemas.mapping.field_spec import parse_fields
from schemas.mapping.fields import FieldMapping
from schemas.mapping.reader import RecordReader
from schemas.values import JsonValues
from streams import row_reads
from streams.mapped_decoding import MappedDecoder
from streams.settings import BatchSettings
from tests.fakes import ListSink, record_batch
from tests.streams.engines import SETTINGS, Engine
from tests.streams.engines import engine as running


class Sizes:
    """Answers with the number that each picture holds."""

    name, version = "sizes", "1"

    def load(self, device: str = "cpu") -> None:
        pass

    def warm_up(self) -> None:
        pass

    def predict_batch(self, batch: Sequence[VideoFrame]) -> list[dict[str, float]]:
        return [{"y": float(frame.image)} for frame in batch]

    def close(self) -> None:
        pass


class Pages(BaseHTTPRequestHandler):
    active = most_active = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        with self.lock:
            Pages.active += 1
            Pages.most_active = max(Pages.active, Pages.most_active)
        name = self.path.rpartition("/")[2]
        self.send_response(200 if name.isdigit() else 404)
        self.end_headers()
        self.wfile.write(name.encode())
        with self.lock:
            Pages.active -= 1

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def pages(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Pages)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


@pytest.fixture
def port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def make_decoder(port: int) -> MappedDecoder:
    allow = [f"http://127.0.0.1:{port}/gate"]
    fields = {"image": {"path": "p", "format": "url", "allow": allow, "timeout_seconds": 2}}
    mapping = FieldMapping(parse_fields(fields, VideoFrame), VideoFrame)
    return MappedDecoder(RecordReader(JsonValues(), mapping), 100_000)


def batch(engine: Engine, paths: Sequence[Any]) -> Any:
    values = [None if path is None else json.dumps({"p": path}).encode() for path in paths]
    return record_batch(values, tracker=engine.tracker)


async def test_each_row_has_one_outcome_and_results_are_in_order(port: int) -> None:
    paths: list[Any] = [*range(40), None, "nosuch", "http://127.0.0.1:1/gate/1", *range(41, 60)]
    paths = [str(p) if isinstance(p, int) else p for p in paths]
    settings = replace(SETTINGS, batch=BatchSettings(max_batch_size=4))
    sink = ListSink(num_partitions=1)
    Pages.most_active = 0
    with pages(port):
        async with running(Sizes, sink, settings, decoder=make_decoder(port)) as engine:
            async with asyncio.timeout(30):
                await engine.inference.submit([batch(engine, paths)])
            await engine.drained()
            counts = engine.accounts()
    assert counts == {"in": 62, "answered": 59, "dead_lettered": 2, "filtered": 1, "in_flight": 0}
    results = [json.loads(record.value) for record in sink.topic("doubles")]
    assert [r["y"] for r in results] == [*range(40), *range(41, 60)]
    assert [r["origin"]["offset"] for r in results] == [*range(40), *range(43, 62)]
    letters = [DeadLetter.from_headers(r.headers) for r in sink.topic("numbers.dlq")]
    assert {(x.origin.offset, x.reason) for x in letters} == {
        (41, "missing_object"), (42, "schema_error")
    }  # fmt: skip
    assert 1 <= Pages.most_active <= row_reads.NUM_AT_ONCE


async def test_a_store_that_is_away_is_waited_for(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    sink = ListSink(num_partitions=1)
    with caplog.at_level(logging.WARNING):
        async with running(Sizes, sink, SETTINGS, decoder=make_decoder(port)) as engine:
            work = asyncio.ensure_future(
                engine.inference.submit([batch(engine, ["1", "2", "/x/../y", "3"])])
            )
            async with asyncio.timeout(20):
                while "does not answer" not in engine.inference.facts().waiting_for:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.3)
            assert not work.done()
            assert engine.accounts()["dead_lettered"] == 0
            with pages(port):
                async with asyncio.timeout(20):
                    await work
                await engine.drained()
            assert engine.inference.facts().waiting_for == ""
            counts = engine.accounts()
    assert (counts["answered"], counts["dead_lettered"]) == (3, 1)
    messages = [record.getMessage() for record in caplog.records]
    assert sum("waiting for it" in m for m in messages) == 1
    assert sum("answers again" in m for m in messages) == 1


async def test_a_partition_that_is_taken_away_is_not_waited_for(port: int) -> None:
    async with running(Sizes, ListSink(1), SETTINGS, decoder=make_decoder(port)) as engine:
        work = asyncio.ensure_future(engine.inference.submit([batch(engine, ["1"])]))
        async with asyncio.timeout(20):
            while not engine.inference.facts().waiting_for:
                await asyncio.sleep(0.01)
            assert engine.tracker.num_taken() == 0  # a worker that stops does not wait for it
            engine.tracker.give_up_untaken()
            await work
        assert engine.accounts()["in"] == 0
