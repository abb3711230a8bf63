"""Pictures in; what each one shows as a whole out."""

from streams.settings import AgentSettings, BatchSettings, ModelSettings

CLASSIFY_IMAGES = AgentSettings(
    input="images",
    output="images.classes",
    event="VideoFrame",
    codec="image",  # the record's value is the JPEG, PNG or WebP file
    model=ModelSettings(name="image_classifier", options={"path": "efficientnet_lite0"}),
    batch=BatchSettings(max_batch_size=16, max_wait_seconds=0.05),
    max_record_bytes=5_000_000,
)
