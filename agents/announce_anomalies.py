"""Results of the anomaly detector in; a sentence to speak about each anomaly out."""

from streams.settings import AgentSettings, BatchSettings

ANNOUNCE_ANOMALIES = AgentSettings(
    input="sensor.anomalies",
    output="text.to_speak",
    event="AnomalyReport",
    model="alert_text",
    answers="sometimes",
    batch=BatchSettings(max_batch_size=256, max_wait_seconds=0.02),
)
