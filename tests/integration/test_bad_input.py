"""Bad input of every kind, on a running worker with the real models: one dead letter each."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import msgspec
import numpy as np
from confluent_kafka import Producer
from PIL import Image

from agents.commands.broker import embedded_broker
from schemas import DeadLetter
from tests.integration.four_agents import FourAgents


def jpeg() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


def png_bomb() -> bytes:
    """A 30000x30000 PNG in a few bytes of header; its pixels would take 2.7 GB."""

    def block(kind: bytes, body: bytes) -> bytes:
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + block(b"IHDR", header) + block(b"IDAT", rows) + block(b"IEND", b"")
    )


READING = b'{"source_id": "s", "event_time_ms": 1, "values": {"a": 1.5}}'
MESSAGE = b'{"source_id": "c", "event_time_ms": 1, "text": "where is my order?"}'
ACT = b'{"source_id": "u", "event_time_ms": 1, "action": "buy", "features": {"a": 1}}'

#: agent -> (key, value, expected reason; "" is an answer, None a tombstone)
RECORDS: dict[str, list[tuple[bytes | None, bytes | None, str | None]]] = {
    "detect_objects": [
        (b"cam", jpeg(), ""),
        (b"cam", jpeg()[: len(jpeg()) // 2], "decode_error"),
        (b"cam", png_bomb(), "too_large"),
        (b"cam", b"", "empty_value"),
        (b"cam", None, None),
        (b"cam", b"GIF89a not for us", "decode_error"),
        (b"\xff\xfe", jpeg(), ""),
        (b"cam", jpeg()[:3], "decode_error"),
        (b"cam", jpeg(), ""),
    ],
    "understand_text": [
        (b"c", MESSAGE, ""),
        (b"c", b"{not json", "decode_error"),
        (b"c", b'{"text": 7}', "schema_error"),
        (b"c", b'{"text": ""}', "schema_error"),
        (b"c", b'{"text": "\\ud800"}', "decode_error"),
        (b"c", b'{"text": "' + b"x" * 200_000 + b'"}', "schema_error"),
        (b"c", MESSAGE, ""),
    ],
    "score_anomalies": [
        (b"s", READING, ""),
        (b"s", b'{"values": {"a": NaN}}', "decode_error"),
        (b"s", b'{"values": {"a": 1e999}}', "schema_error"),
        (b"s", b'{"values": {"a": "high"}}', "schema_error"),
        (b"s", b'{"values": {"a": 1}, "schema_version": 99}', "unknown_schema_version"),
        (b"s", b'{"x": ' + b"[" * 5000, "decode_error"),
        (b"s", b" " * 1_000_001, "too_large"),
        (b"\xff", b'{"values": {"a": 1}}', ""),
        (b"s", b'{"values": {"a": 1}, "event_time_ms": -5}', "schema_error"),
        (b"s", b"\x00\x01\x02", "decode_error"),
        (b"s", READING, ""),
    ],
    "cluster_behavior": [
        (b"u", msgspec.msgpack.encode(msgspec.json.decode(ACT)), ""),
        (b"u", msgspec.msgpack.encode({"action": "x", "features": {"a": float("nan")}}),
         "schema_error"),
        (b"u", b"\xc1", "decode_error"),
        (b"u", b'{"json": "on a msgpack topic"}', "schema_error"),
        (None, msgspec.msgpack.encode(msgspec.json.decode(ACT)), ""),
    ],
}  # fmt: skip


def test_each_bad_record_becomes_one_dead_letter(tmp_path: Path) -> None:
    with embedded_broker() as broker:
        changes = {"cluster_behavior": {"codec": "msgpack"}}
        pipeline = FourAgents(tmp_path, broker.bootstrap_servers, changes)
        producer = Producer(
            {"bootstrap.servers": broker.bootstrap_servers, "message.max.bytes": 2_000_000}
        )
        for agent, records in RECORDS.items():
            for key, value, _ in records:
                # One partition, so that offsets say which record a dead letter is of.
                producer.produce(pipeline.topic(agent, "input"), value, key, partition=0)
        assert producer.flush(30) == 0
        total = sum(map(len, RECORDS.values()))
        with pipeline.worker() as worker:
            worker.await_started()
            worker.await_finished(total)
            accounts = worker.accounts()
            worker.stop()
        expected = [reason for records in RECORDS.values() for _, _, reason in records]
        assert accounts["answered"] == expected.count("")
        assert accounts["filtered"] == expected.count(None)
        assert accounts["dead_lettered"] == total - expected.count("") - expected.count(None)
        for agent, records in RECORDS.items():
            num_answered = sum(reason == "" for *_, reason in records)
            assert len(pipeline.results(agent)) == num_answered, agent
            _check_dead_letters(pipeline, agent)


def _check_dead_letters(pipeline: FourAgents, agent: str) -> None:
    letters = {}
    for message in pipeline.read(pipeline.topic(agent, "dead_letters")):
        letter = DeadLetter.from_headers(message.headers() or [])
        letters[letter.origin.offset] = letter.reason
        key, value, _ = RECORDS[agent][letter.origin.offset]
        assert message.key() == key, letter
        if letter.full_bytes < 0:
            assert message.value() == value, letter
        else:
            assert letter.full_bytes == len(value or b""), letter
            assert (value or b"").startswith(message.value() or b""), letter
        assert letter.message, letter
    expected = {i: reason for i, (*_, reason) in enumerate(RECORDS[agent]) if reason}
    assert letters == expected, f"{agent}: reasons of dead letters by offset"
