"""The verifier with right output, and with each kind of wrong output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
import pytest

from benchmarks.harness.readings import Readings
from benchmarks.harness.verifying import TIMING_HEADER, Verifier, WrongOutputError

NUM_RECORDS, PARTITIONS = 200, 2
TOPIC = "readings"


@dataclass(frozen=True)
class Written:
    """One result as a contender might have written it."""

    partition: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]

    def with_value(self, **fields: object) -> Written:
        value = {**msgspec.json.decode(self.value), **fields}
        return replace(self, value=msgspec.json.encode(value))

    def with_header(self, name: str, value: bytes) -> Written:
        return replace(self, headers=[(k, value if k == name else v) for k, v in self.headers])


def result(source: Readings, index: int, mean: float) -> Written:
    partition, offset = index % PARTITIONS, index // PARTITIONS
    envelope = {
        "schema_version": 1,
        "source_id": source.key(index).decode(),
        "event_id": source.event_id(index),
        "event_time_ms": source.event_time_ms(index),
        "origin": {"topic": TOPIC, "partition": partition, "offset": offset},
        "model": "mean",
        "model_version": "1",
        "score": mean,
    }
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"penstock.score.v1"),
        ("ce_source", b"penstock/score"),
        ("content-type", b"application/json"),
        ("ce_id", f"{TOPIC}:{partition}:{offset}:score:penstock.score.v1:0".encode()),
        ("ce_time", f"2023-11-14T22:13:20.{index:03d}Z".encode()),
        (TIMING_HEADER, b"processed=1;batch=1;queue=0;model=0"),
    ]
    return Written(partition, source.key(index), msgspec.json.encode(envelope), headers)


@pytest.fixture
def source() -> Readings:
    return Readings(NUM_RECORDS, PARTITIONS)


@pytest.fixture
def output(source: Readings) -> list[Written]:
    """The output of a contender without faults."""
    means = []
    for record in source.records():
        values = msgspec.json.decode(record.value)["values"].values()
        means.append(sum(values) / len(values))
    return [result(source, index, mean) for index, mean in enumerate(means)]


def check(source: Readings, output: list[Written]) -> None:
    verifier = Verifier(source, TOPIC, PARTITIONS, "score", "mean")
    for written in output:
        verifier.add(written.partition, written.key, written.value, written.headers)
    verifier.finish()


def test_right_output_is_right(source: Readings, output: list[Written]) -> None:
    check(source, output)


def test_partitions_may_be_read_in_any_order(source: Readings, output: list[Written]) -> None:
    check(source, sorted(output, key=lambda written: -written.partition))


def test_missing_output(source: Readings, output: list[Written]) -> None:
    with pytest.raises(WrongOutputError, match=r"2 records have no result, .* readings:1:3"):
        check(source, output[:7] + output[8:-1])


def test_repeated_output(source: Readings, output: list[Written]) -> None:
    with pytest.raises(WrongOutputError, match="readings:0:5 is answered twice"):
        check(source, [*output, output[10]])


def test_misordered_output(source: Readings, output: list[Written]) -> None:
    # The same key comes again every PARTITIONS * 16 records.
    output[0], output[32] = output[32], output[0]
    assert output[0].key == output[32].key
    with pytest.raises(WrongOutputError, match="after a later one of its key"):
        check(source, output)


def test_a_key_on_two_partitions(source: Readings, output: list[Written]) -> None:
    output[40] = replace(output[40], partition=1)
    with pytest.raises(WrongOutputError, match="or on another partition"):
        check(source, output)


def test_an_answer_to_no_input(source: Readings, output: list[Written]) -> None:
    origin = {"topic": TOPIC, "partition": 0, "offset": NUM_RECORDS}
    with pytest.raises(WrongOutputError, match="which is not in the input"):
        check(source, [output[0].with_value(origin=origin), *output[1:]])


WRONG: dict[str, Callable[[Written], Written]] = {
    "the score is": lambda w: w.with_value(score=msgspec.json.decode(w.value)["score"] + 1e-6),
    "the envelope is .*pump-x": lambda w: w.with_value(source_id="pump-x"),
    "the envelope is .*event_time_ms=5": lambda w: w.with_value(event_time_ms=5),
    "the envelope is .*other": lambda w: w.with_value(model="other"),
    "not a result": lambda w: replace(w, value=b"{}"),
    "its key is None|its key is b''": lambda w: replace(w, key=b""),
    "its headers are .*expected each once": lambda w: replace(w, headers=w.headers[:-1]),
    "its headers are .*penstock/other": lambda w: w.with_header("ce_source", b"penstock/other"),
    "its headers are .*:7:": lambda w: w.with_header("ce_id", b"readings:0:7:score:x:0"),
    "its headers are .*2001": lambda w: w.with_header("ce_time", b"2001-01-01T00:00:00.000Z"),
    "expected each once": lambda w: replace(w, headers=[*w.headers, w.headers[0]]),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_result(source: Readings, output: list[Written], message: str) -> None:
    output[50] = WRONG[message](output[50])
    with pytest.raises(WrongOutputError, match=message):
        check(source, output)
