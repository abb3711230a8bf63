"""Pictures in; which pixels of each one belong to which class out."""

from streams.settings import AgentSettings, BatchSettings

SEGMENT_IMAGES = AgentSettings(
    input="images.to_segment",
    output="images.segments",
    event="VideoFrame",
    codec="image",  # the record's value is the JPEG, PNG or WebP file
    model="traffic_segmenter",
    batch=BatchSettings(max_batch_size=8, max_wait_seconds=0.05),
    max_record_bytes=5_000_000,
)
