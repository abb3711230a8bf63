"""Results of the anomaly detector in; the sources that fall silent, come back or send late, out."""

from streams.settings import AgentSettings, BatchSettings

WATCH_SOURCES = AgentSettings(
    input="sensor.anomalies",
    output="sensor.source_events",
    event="Heartbeat",
    model="silence_watcher",
    batch=BatchSettings(max_batch_size=1024, max_wait_seconds=0.02),
)
