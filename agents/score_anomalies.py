"""Sensor readings in; how unusual each one is out."""

from streams.settings import AgentSettings, BatchSettings

SCORE_ANOMALIES = AgentSettings(
    input="sensor.readings",
    output="sensor.anomalies",
    event="SensorReading",
    model="robust_zscore",
    batch=BatchSettings(max_batch_size=1024, max_wait_seconds=0.02),
)
