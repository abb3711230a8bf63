"""The registered model `tacotron2`: texts in, speech out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.base import PreparedModel
from models.content_hash import folder_version
from models.synthesis.spoken_text import (
    MAX_CHARACTERS,
    check_max_characters,
    cut_text,
    invalid_text,
    nothing_to_speak,
    spoken_audio,
)
from models.synthesis.text import normalized, sentences_of, symbols_of
from models.synthesis.voice import SpokenSentence, Voice
from models.synthesis.voice_folder import load_voice
from schemas import InputError, SpokenAudio, TextMessage

WEIGHTS = Path(__file__).parent / "weights"
#: Longer sentences are spoken in parts: attention that was trained on short ones gets lost.
_MAX_SENTENCE = 60


@dataclass(frozen=True)
class PreparedText:
    """A text that is ready to be spoken."""

    text: str
    sentences: list[list[int]]
    """The symbols of each."""
    notes: tuple[str, ...]


class Tacotron2Synthesizer(PreparedModel[TextMessage, SpokenAudio]):
    """Speaks English texts with one voice: Tacotron 2 and Griffin-Lim. Stateless."""

    name = "tacotron2"
    event_type = TextMessage
    result_type = SpokenAudio
    uses_gpu = True

    def __init__(
        self,
        path: str = "",
        max_characters: int = MAX_CHARACTERS,
        max_sentence: int = _MAX_SENTENCE,
        seed: int = 0,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            path: folder with model.safetensors and config.json; see `voice_folder.py`. "": the
                shipped one.
            max_characters: longer texts are cut, 1 to 4000; 14 are about a second of speech.
            max_sentence: longer sentences are spoken in parts, in characters, 10 to 400.
            seed: of the pre-net's dropout, which varies how a text is spoken.
        """
        check_max_characters(max_characters)
        if not 10 <= max_sentence <= 400:
            raise ValueError(f"max_sentence is {max_sentence}: expected 10 to 400")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed is {seed}: expected 0 to 2^63 - 1")
        self._path, self._seed = Path(path) if path else WEIGHTS, seed
        self._max_characters, self._max_sentence = max_characters, max_sentence
        self._voice: Voice | None = None
        self._characters = ""

    def load(self, device: str = "cpu") -> None:
        """Read the checkpoint; `version` becomes a hash of its files.

        Raises:
            ModelError: it is absent or not a Tacotron 2.
        """
        network, audio, self._characters = load_voice(self._path)
        self._voice = Voice(network, audio, device, self._seed)
        self.version = folder_version(self._path)

    def warm_up(self) -> None:
        """Speak a word."""
        self.predict_batch([TextMessage(text="hello.")])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> list[PreparedText | InputError]:
        """Normalize B texts and cut them into sentences. Thread-safe."""
        return [self._prepare(message.text) for message in batch]

    def _prepare(self, text: str) -> PreparedText | InputError:
        if (error := invalid_text(text)) is not None:
            return error
        cut = cut_text(text, self._max_characters)
        whole = normalized(cut.text)
        # Numbers become longer in words.
        spoken = cut_text(whole, self._max_characters, ", with numbers in words,")
        sentences = [
            symbols
            for sentence in sentences_of(spoken.text, self._max_sentence)
            if (symbols := symbols_of(_ended(sentence), self._characters))
        ]
        if not sentences:
            return nothing_to_speak(cut.text)
        return PreparedText(spoken.text, sentences, (*cut.notes, *spoken.notes))

    def predict_prepared(
        self, prepared: Sequence[PreparedText | InputError]
    ) -> list[SpokenAudio | InputError]:
        """Speak B texts: results in input order, each independent of the others.

        What goes wrong in a sentence is in `notes` of the result; a runaway is cut.
        """
        assert self._voice is not None, "load first"
        texts = [one for one in prepared if isinstance(one, PreparedText)]
        spoken = iter(self._voice.speak([s for text in texts for s in text.sentences]))
        return [
            one
            if isinstance(one, InputError)
            else self._result(one, [next(spoken) for _ in one.sentences])
            for one in prepared
        ]

    def _result(self, text: PreparedText, sentences: Sequence[SpokenSentence]) -> SpokenAudio:
        assert self._voice is not None
        faults = [
            f"sentence {number}: {fault}"
            for number, sentence in enumerate(sentences, 1)
            for fault in sentence.faults
        ]
        samples = [sentence.samples for sentence in sentences]
        return spoken_audio(
            samples, self._voice.audio.sample_rate, text.text, [*text.notes, *faults]
        )

    def close(self) -> None:
        """Free the network."""
        self._voice = None


def _ended(sentence: str) -> str:
    """Return a sentence with a mark at its end: the network was trained with one."""
    return sentence if sentence[-1] in ".?!" else sentence.rstrip(" ,;:-(") + "."
