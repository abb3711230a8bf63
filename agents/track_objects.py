"""Detections of frames in; the same with track ids, one for each object of a camera, out."""

from streams.settings import AgentSettings, BatchSettings

TRACK_OBJECTS = AgentSettings(
    input="video.detections",
    output="video.tracks",
    event="DetectedFrame",
    model="byte_tracker",
    batch=BatchSettings(max_batch_size=256, max_wait_seconds=0.02),
)
