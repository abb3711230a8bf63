"""The registered model `hibari`: a ready-made English voice, and the teacher of `tacotron2`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from models.base import Model
from models.synthesis.recorded import load_teacher
from models.synthesis.spoken_text import (
    check_max_characters,
    cut_text,
    invalid_text,
    nothing_to_speak,
    spoken_audio,
)
from models.synthesis.text import normalized
from schemas import InputError, SpokenAudio, TextMessage

#: About 18 seconds of speech: more would exceed Kafka's default limit of 1 MB for a record.
_MAX_CHARACTERS = 250


class HibariSynthesizer(Model[TextMessage, SpokenAudio]):
    """Speaks English texts by hibari-tts 0.2 (Apache-2.0, 24 kHz), on the CPU. Stateless."""

    name = "hibari"
    event_type = TextMessage
    result_type = SpokenAudio

    def __init__(self, max_characters: int = _MAX_CHARACTERS, speed: float = 1.0) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            max_characters: longer texts are cut, 1 to 4000; 14 are about a second of speech.
            speed: of the speech, 0.5 to 2; 1 is the voice's own.
        """
        check_max_characters(max_characters)
        if not 0.5 <= speed <= 2:
            raise ValueError(f"speed is {speed}: expected 0.5 to 2")
        self._max_characters, self._speed = max_characters, speed
        self._teacher: Any = None

    def load(self, device: str = "cpu") -> None:
        """Load the voice "heart"; `version` becomes the package's.

        Raises:
            ModelError: the extra `demo` is not installed.
        """
        self._teacher = load_teacher()
        self.version = version("hibari-tts")

    def warm_up(self) -> None:
        """Speak a word."""
        self.predict_batch([TextMessage(text="hello.")])

    def predict_batch(self, batch: Sequence[TextMessage]) -> list[SpokenAudio | InputError]:
        """Speak B texts: results in input order, each independent of the others."""
        return [self._speak(message.text) for message in batch]

    def _speak(self, text: str) -> SpokenAudio | InputError:
        if (error := invalid_text(text)) is not None:
            return error
        cut = cut_text(text, self._max_characters)
        # Its own front end reads numbers and abbreviations; ours says whether there are letters.
        if not normalized(cut.text):
            return nothing_to_speak(cut.text)
        samples = self._teacher(cut.text, speed=self._speed, seed=0)
        if not len(samples):
            return nothing_to_speak(cut.text)
        rate = int(self._teacher.sample_rate)
        return spoken_audio([np.asarray(samples, np.float32)], rate, cut.text, cut.notes)

    def close(self) -> None:
        """Free the voice."""
        self._teacher = None
