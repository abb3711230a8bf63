"""Text messages in; each one as speech out."""

from streams.settings import AgentSettings, BatchSettings

SPEAK_TEXT = AgentSettings(
    input="text.to_speak",
    output="audio.speech",
    event="TextMessage",
    output_codec="audio",  # the record's value is the sound; all other fields are in its headers
    model="hibari",
    batch=BatchSettings(max_batch_size=8, max_wait_seconds=0.05),
)
