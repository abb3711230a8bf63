"""The demo's spoken alerts: an anomaly becomes a sentence, the sentence sound, the sound text."""

from __future__ import annotations

from typing import Any

from agents import AGENTS
from agents.pipeline.file import declared_values

#: Agent -> the agent whose results it reads.
READS: dict[str, str] = {
    "announce_anomalies": "score_anomalies",
    "speak_text": "announce_anomalies",
    "transcribe_speech": "speak_text",
}
#: In words that the shipped recognizer knows (models/speech/grammar.py): not the sensor's name.
TEMPLATE = "Alarm, flow on sensor one is out of range."
#: Of the extra `demo`, as other inputs. The shipped recognizer understands it; the shipped voice of
#: `tacotron2`, not yet.
_VOICE = "hibari"


def speaking_agents() -> dict[str, dict[str, Any]]:
    """Return the settings of the agents in `READS`, as in a pipeline file."""
    announce = {
        "input": "sensor.anomalies",
        "output": "text.to_speak",
        "event": "AnomalyReport",
        "answers": "sometimes",
        "model": {"name": "alert_text", "options": {"template": TEMPLATE}},
    }
    speak = {**declared_values(AGENTS["speak_text"]), "model": _VOICE}
    transcribe = {**declared_values(AGENTS["transcribe_speech"]), "input": speak["output"]}
    return {"announce_anomalies": announce, "speak_text": speak, "transcribe_speech": transcribe}
