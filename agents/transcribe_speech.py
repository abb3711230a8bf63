"""Chunks of sound in; what is said in them out, partial and final transcripts."""

from streams.settings import AgentSettings, BatchSettings

TRANSCRIBE_SPEECH = AgentSettings(
    input="audio.chunks",
    output="audio.transcripts",
    event="AudioChunk",
    codec="audio",  # the record's value is the sound, all else is in its headers
    model="speech_recognizer",
    batch=BatchSettings(max_batch_size=64, max_wait_seconds=0.05),
    max_record_bytes=2_000_000,
)
