from pathlib import Path
from typing import Any

import msgspec

from agents.commands.demo.record_lines import RecordFiles
from agents.commands.describe import record_as_json
from streams.kafka.reader import KafkaRecord


def record(value: bytes | None, **headers: bytes) -> KafkaRecord:
    return KafkaRecord("t", 1, 7, 1_700_000_000_000, b"k\xff", value, list(headers.items()))


def line(value: bytes | None, **headers: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(record_as_json(record(value, **headers)))
    return decoded


def test_json_stays_json() -> None:
    found = line(b'{"a": [1, 2]}', ce_id=b"x")
    assert found["value"] == {"a": [1, 2]}
    assert (found["topic"], found["partition"], found["offset"]) == ("t", 1, 7)
    assert found["headers"] == {"ce_id": "x"}
    assert found["key"] == "k\ufffd"


def test_other_values_are_described() -> None:
    assert line(b"\xff\xd8\xff123")["value"] == "[image/jpeg, 6 bytes]"
    assert line(b'{"broken')["value"] == '{"broken'
    assert line(b"")["value"] == ""
    assert line(None)["value"] is None


def test_message_pack_becomes_json() -> None:
    value = msgspec.msgpack.encode({"a": b"\xff\xd8\xff"})
    found = line(value, **{"content-type": b"application/msgpack"})
    assert found["value"] == {"a": "[image/jpeg, 3 bytes]"}


def test_each_topic_has_a_file_even_an_empty_one(tmp_path: Path) -> None:
    with RecordFiles(tmp_path, ["t", "t.dlq"]) as files:
        files.write(record(b"1"))
        files.write(record(b"2"))
    assert files.num_lines == {"t": 2, "t.dlq": 0}
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "t.dlq.jsonl").read_bytes() == b""
