from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
from PIL import Image

from agents.commands.demo.speech_picture import Alert, AlertLog, draw_alert, write_alert
from schemas import SpokenAudio, SpokenWord, Transcript


def spoken(event_id: str, seconds: float = 1.0) -> SpokenAudio:
    noise = np.random.default_rng(0).integers(-9000, 9000, int(16_000 * seconds)).astype("<i2")
    return SpokenAudio(
        event_id=event_id, audio=noise.tobytes(), sample_rate_hz=16_000, text="stop the pump"
    )


def heard(event_id: str, text: str, is_final: bool = True) -> Transcript:
    words = [
        SpokenWord(word, 200 * number, 200 * number + 150)
        for number, word in enumerate(text.split())
    ]
    return Transcript(
        event_id=event_id, utterance=0, is_final=is_final, text=text, words=words, heard_ms=1000
    )


def test_the_first_alert_with_a_transcript_is_shown() -> None:
    log = AlertLog()
    assert log.first is None
    log.add_speech(spoken("a"))
    log.add_speech(spoken("b"))
    log.add_transcript(heard("unknown", "no"))
    log.add_transcript(heard("b", "stop", is_final=False))
    assert log.first is None
    log.add_transcript(heard("b", "stop"))
    log.add_transcript(heard("b", "the pump"))
    assert log.first is not None
    assert (log.first.spoken.event_id, log.first.text) == ("b", "stop the pump")
    log.add_transcript(heard("a", "stop"))
    assert log.first.spoken.event_id == "a"


def test_an_alert_is_drawn_and_written(tmp_path: Path) -> None:
    alert = Alert(spoken("a"), [heard("a", "stop the pump")])
    draw_alert(alert, tmp_path / "alert.png")
    with Image.open(tmp_path / "alert.png") as image:
        assert image.width > 640
        assert len(image.convert("RGB").getcolors(maxcolors=2**24) or []) > 30
    write_alert(alert, tmp_path / "alert.wav")
    with wave.open(str(tmp_path / "alert.wav")) as file:
        assert (file.getframerate(), file.getnframes()) == (16_000, 16_000)
        assert file.readframes(16_000) == alert.spoken.audio
