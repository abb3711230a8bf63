"""The demo's spoken alerts: an anomaly becomes a sentence, the sentence sound, the sound text."""

from __future__ import annotations

from typing import Any

from agents import AGENTS
from agents.pipeline.file import declared_values
from models.speech.recognizer import WEIGHTS as RECOGNIZER
from models.synthesis.tacotron2_synthesizer import WEIGHTS as VOICE

#: Agent -> the agent whose results it reads.
READS: dict[str, str] = {
    "announce_anomalies": "score_anomalies",
    "speak_text": "announce_anomalies",
    "transcribe_speech": "speak_text",
}
#: In words that the shipped voice and recognizer know (models/speech/grammar.py): not the sensor's
#: name.
TEMPLATE = "Warning, flow on sensor one is out of range."


#: Of 82 words that the shipped voice spoke, the shipped recognizer understood 9: until they are
#: trained for longer, the demo does not speak.
_IS_UNDERSTOOD = False


def can_speak() -> bool:
    """Return whether the weights of voice and recognizer are there, and good enough to show."""
    return _IS_UNDERSTOOD and all(
        (folder / "model.safetensors").is_file() for folder in (VOICE, RECOGNIZER)
    )


def speaking_agents() -> dict[str, dict[str, Any]]:
    """Return the settings of the agents in `READS`, as in a pipeline file."""
    announce = {
        "input": "sensor.anomalies",
        "output": "text.to_speak",
        "event": "AnomalyReport",
        "answers": "sometimes",
        "model": {"name": "alert_text", "options": {"template": TEMPLATE}},
    }
    speak = {**declared_values(AGENTS["speak_text"]), "model": "tacotron2"}
    transcribe = {**declared_values(AGENTS["transcribe_speech"]), "input": speak["output"]}
    return {"announce_anomalies": announce, "speak_text": speak, "transcribe_speech": transcribe}
