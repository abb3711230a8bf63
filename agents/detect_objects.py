"""Video frames in; what is on each one, and where, out."""

from streams.settings import AgentSettings, BatchSettings

DETECT_OBJECTS = AgentSettings(
    input="video.frames",
    output="video.detections",
    event="VideoFrame",
    codec="image",  # the record's value is picture's file (JPEG, PNG ...)
    model="traffic_detector",
    batch=BatchSettings(max_batch_size=16, max_wait_seconds=0.05),
    max_record_bytes=5_000_000,
)
