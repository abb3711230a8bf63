"""`penstock bench decode`: the CPU time of decoding alone, other people's values beside plain ones.

No broker and no model: the records of one fetch go through an agent's decoder, as in a worker. The
same readings are written in each form; all forms take their turns in every round.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from agents.pipeline.parts import load_agent, make_decoder
from benchmarks.harness.framed import SCHEMA_ID, SCHEMAS, framed
from streams.ingest import BatchDecoder
from streams.offsets import OffsetTracker
from streams.records import RecordBatch, TopicPartition
from streams.settings import AgentSettings

#: Records of one fetch.
NUM_RECORDS = 1000
_START_MS = 1_764_307_578_454
_MICROSECONDS = 1e6

_TIME_MS = {"path": "ts", "format": "unix_ms"}
_TIME_ISO = {"path": "ts", "format": "iso8601"}

#: Form -> the agent's settings for it, beside its model.
FORMS: dict[str, dict[str, Any]] = {
    "plain JSON": {},
    "plain MessagePack": {"codec": "msgpack"},
    "JSON with null and true": {},
    "mapped: flat JSON": {
        "fields": {"source_id": "id", "event_time": _TIME_MS, "values": ["bar", "flow", "temp"]}
    },
    "mapped: nested JSON, ISO time": {
        "fields": {"source_id": "id", "event_time": _TIME_ISO, "values": {"from": "data"}}
    },
    "mapped: nested JSON, ISO time, where": {
        "fields": {"source_id": "id", "event_time": _TIME_ISO, "values": {"from": "data"}},
        "where": "data.bar >= 0",
    },
    "mapped: Avro, schema registry": {
        "codec": "avro",
        "fields": {"source_id": "id", "event_time": _TIME_MS, "values": {"from": "data"}},
    },
    "mapped: Protobuf, schema registry": {
        "codec": "protobuf",
        "fields": {"source_id": "id", "event_time": _TIME_MS, "values": {"from": "data"}},
    },
    "envelope: structured CloudEvents": {"envelope": "cloudevents"},
    "envelope: Kafka Connect": {"envelope": "connect"},
}


class DecodeCost(msgspec.Struct, frozen=True):
    """What decoding one form costs, over the rounds."""

    form: str
    microseconds: float
    """CPU time per record, the median of the rounds."""
    lowest: float
    more_than_plain: float
    """Beyond plain JSON, medians compared."""


def measure_decoding(rounds: int) -> list[DecodeCost]:
    """Decode each form in turn, several times.

    Raises:
        AssertionError: a record was not decoded.
    """
    prepared = {form: (_decoder(settings), _batch(form)) for form, settings in FORMS.items()}
    spent: dict[str, list[float]] = {form: [] for form in prepared}
    for _ in range(rounds):
        for form, (decoder, batch) in prepared.items():
            spent[form].append(_seconds(decoder, batch) / NUM_RECORDS * _MICROSECONDS)
    plain = statistics.median(spent["plain JSON"])
    return [
        DecodeCost(form, median := statistics.median(times), min(times), median - plain)
        for form, times in spent.items()
    ]


def _seconds(decoder: BatchDecoder, batch: RecordBatch) -> float:
    started = time.process_time()
    decoded = decoder.decode(batch)
    seconds = time.process_time() - started
    assert len(decoded.events) == NUM_RECORDS, decoded.failed[:1]
    return seconds


def _decoder(settings: dict[str, Any]) -> BatchDecoder:
    agent = AgentSettings(input="i", output="o", model="robust_zscore", **settings)
    parts = load_agent(agent, Path())
    if parts.framed is not None:
        parts.framed.learn(SCHEMA_ID, SCHEMAS[agent.codec])
    return make_decoder(agent, parts)


def _batch(form: str) -> RecordBatch:
    values = [_value(form, i) for i in range(NUM_RECORDS)]
    tp = TopicPartition("i", 0)
    return RecordBatch(
        tp=tp,
        span=OffsetTracker().start(tp, range(NUM_RECORDS), sum(map(len, values))),
        timestamps_ms=[_START_MS + i for i in range(NUM_RECORDS)],
        keys=[b"pump-1"] * NUM_RECORDS,
        values=values,
        headers=[()] * NUM_RECORDS,
        arrived=0.0,
    )


def _value(form: str, i: int) -> bytes:
    """Return the i-th reading in a form."""
    channels: dict[str, Any] = {"bar": 2.5 + i / 1000, "flow": 31.25, "temp": 21.5}
    if form == "JSON with null and true":
        channels |= {"flow": None, "temp": True}
    reading = {"source_id": "pump-1", "event_time_ms": _START_MS + i, "values": channels}
    if form.startswith("mapped: flat"):
        reading = {"id": "pump-1", "ts": _START_MS + i, **channels}
    elif form.startswith("mapped: nested"):
        iso = f"2026-11-28T05:{i // 60 % 60:02}:{i % 60:02}.454+01:00"
        reading = {"id": "pump-1", "ts": iso, "data": channels}
    elif form.endswith("CloudEvents"):
        reading = {"specversion": "1.0", "id": str(i), "source": "/plant", "type": "reading",
                   "data": reading}  # fmt: skip
    elif form.endswith("Connect"):
        reading = {"schema": {"type": "struct", "optional": False}, "payload": reading}
    elif form.endswith("schema registry"):
        codec = str(FORMS[form]["codec"])
        return framed(codec, {"id": "pump-1", "ts": _START_MS + i, "data": channels})
    is_packed = form == "plain MessagePack"
    return msgspec.msgpack.encode(reading) if is_packed else json.dumps(reading).encode()


def rows_of(costs: Sequence[DecodeCost]) -> list[list[str]]:
    """Return the costs as the rows of a table."""
    return [
        [c.form, f"{c.microseconds:.2f}", f"{c.lowest:.2f}", f"{c.more_than_plain:+.2f}"]
        for c in costs
    ]
