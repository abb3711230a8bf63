"""The results of every agent can be read as heartbeats."""

from __future__ import annotations

import pytest

from schemas import AnomalyScore, Heartbeat, JsonCodec, MsgpackCodec, SensorReading


@pytest.mark.parametrize("codec", [JsonCodec(Heartbeat), MsgpackCodec(Heartbeat)])
def test_a_result_and_an_event_are_read_as_heartbeats(codec: JsonCodec | MsgpackCodec) -> None:
    score = AnomalyScore(source_id="p", event_time_ms=5, score=0.5, is_anomaly=False, threshold=0.9)
    expected = Heartbeat(source_id="p", event_time_ms=5)
    assert codec.decode(codec.encode(score), {}) == expected
    reading = SensorReading(source_id="p", event_time_ms=5, values={"x": 1.0})
    assert codec.decode(codec.encode(reading), {}) == expected
