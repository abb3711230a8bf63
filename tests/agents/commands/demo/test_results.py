from pathlib import Path

from agents.commands.demo.results import RecordFiles
from streams.kafka.reader import KafkaRecord


def record(value: bytes) -> KafkaRecord:
    return KafkaRecord("t", 1, 7, 1_700_000_000_000, b"k", value, [])


def test_each_topic_has_a_file_even_an_empty_one(tmp_path: Path) -> None:
    with RecordFiles(tmp_path, ["t", "t.dlq"]) as files:
        files.write(record(b"1"))
        files.write(record(b"2"))
    assert files.num_lines == {"t": 2, "t.dlq": 0}
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "t.dlq.jsonl").read_bytes() == b""
