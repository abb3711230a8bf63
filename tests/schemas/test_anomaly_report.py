from __future__ import annotations

import msgspec
import pytest

from schemas import AnomalyReport, AnomalyScore, InputError, JsonCodec, Origin


def test_a_result_of_a_detector_is_read() -> None:
    result = AnomalyScore(
        source_id="pump-7",
        event_id="r-1",
        event_time_ms=1_700_000_000_000,
        origin=Origin("sensor.readings", 0, 7),
        model="robust_zscore",
        score=0.97,
        is_anomaly=True,
        threshold=0.5,
        channel="pressure_bar",
        expected=2.5,
    )
    event = JsonCodec(AnomalyReport).decode(msgspec.json.encode(result), {})
    assert event == AnomalyReport.example()


@pytest.mark.parametrize("value", [b'{"score": 2, "is_anomaly": true}', b'{"score": 0.5}'])
def test_other_values_are_refused(value: bytes) -> None:
    with pytest.raises(InputError):
        JsonCodec(AnomalyReport).decode(value, {})
