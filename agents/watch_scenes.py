"""Tracked objects in; the lines that they cross and the zones that they enter and leave, out."""

from streams.settings import AgentSettings, BatchSettings

WATCH_SCENES = AgentSettings(
    input="video.tracks",
    output="video.scene_events",
    event="DetectedFrame",
    model="scene_watcher",
    batch=BatchSettings(max_batch_size=256, max_wait_seconds=0.02),
)
