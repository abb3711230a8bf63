"""Text messages in; the intent of each one out."""

from streams.settings import AgentSettings, BatchSettings

UNDERSTAND_TEXT = AgentSettings(
    input="text.messages",
    output="text.understanding",
    event="TextMessage",
    model="intent_classifier",
    batch=BatchSettings(max_batch_size=64, max_wait_seconds=0.02),
)
