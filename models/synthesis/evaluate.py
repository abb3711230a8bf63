"""Judge the synthesizers: how many words of unseen sentences a recognizer understands.

    python -m models.synthesis.evaluate

The sentences are of the speech grammar, none of them was trained on; pocketsphinx is given the
same grammar, and the shipped recognizer hears them too. The rates are of this machine: they mean
something only while it does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.base import Model, ModelError
from models.evaluation import Row, Skipped, measures, one_result, print_rows
from models.registry import make_model, model_class
from models.speech.evaluate import listen_to
from models.speech.judge import Judge, num_errors, num_recognized
from models.speech.recognizer import SpeechRecognizer
from models.synthesis.sentences import unseen_sentences, words_of
from schemas import AudioChunk, SpokenAudio, TextMessage

TASK = "synthesis"
MODELS = ("tacotron2", "hibari")
SEED, NUM_SENTENCES, MAX_CHARACTERS = 16, 100, 60
#: Texts in a call, for the rate.
_BATCH = 8

#: Returns the words that it hears.
Listener = Callable[[SpokenAudio], list[str]]


def speak_all(model: Model[Any, Any], texts: Sequence[str]) -> tuple[list[SpokenAudio], float]:
    """Return the sound of each text, and how many seconds of it were made in a second."""
    spoken: list[SpokenAudio] = []
    started = time.perf_counter()
    for start in range(0, len(texts), _BATCH):
        batch = [TextMessage(text=text) for text in texts[start : start + _BATCH]]
        spoken += [one_result(answer) for answer in model.predict_batch(batch)]
    spent = time.perf_counter() - started
    return spoken, sum(one.duration_ms for one in spoken) / 1000 / spent


def figures_of(
    texts: Sequence[str], spoken: Sequence[SpokenAudio], listen: Listener
) -> dict[str, float]:
    """Return what share of the words is recognized, and how many sentences have a fault."""
    pairs = [(words_of(text), listen(one)) for text, one in zip(texts, spoken, strict=True)]
    total = sum(len(said) for said, _ in pairs)
    return {
        "words recognized": sum(num_recognized(*pair) for pair in pairs) / total,
        "word error rate": sum(num_errors(*pair) for pair in pairs) / total,
        "sentences with a fault": sum(bool(one.notes) for one in spoken) / len(spoken),
    }


def evaluate_model(model: Model[Any, Any], listeners: Mapping[str, Listener]) -> list[Row]:
    """Return the rows of one loaded model, for each listener; the rate is with the first."""
    texts = unseen_sentences(SEED, NUM_SENTENCES, MAX_CHARACTERS)
    spoken, rate = speak_all(model, texts)
    rows: list[Row] = []
    rates = {f"seconds of speech in a second, batch of {_BATCH}": rate}
    for name, listen in listeners.items():
        rows += measures(
            TASK,
            f"{NUM_SENTENCES} unseen sentences, {name}",
            model.name,
            {**figures_of(texts, spoken, listen), **rates},
            lower_is_better=("word error rate", "sentences with a fault"),
            seed=SEED,
        )
        rates = {}
    return rows


def own_listener() -> Listener:
    """Return the recognizer whose weights are shipped.

    Raises:
        ModelError: there are none.
    """
    recognizer = SpeechRecognizer()
    recognizer.load("cpu")
    return lambda spoken: words_heard(recognizer, spoken)


def words_heard(recognizer: SpeechRecognizer, spoken: SpokenAudio) -> list[str]:
    """Return the words that a loaded recognizer hears in s16le sound of one channel."""
    sound = AudioChunk(
        audio=spoken.audio,
        encoding=spoken.encoding,
        sample_rate_hz=spoken.sample_rate_hz,
        num_channels=spoken.num_channels,
        sequence=0,
        is_end=True,
    )
    return listen_to(recognizer, [[sound]])[0].split()


def evaluate_on(data_dir: Path) -> list[Row]:
    """Return the rows of each model; `data_dir` is not read."""
    listeners: dict[str, Listener] = {"pocketsphinx with their grammar": Judge().words}
    rows: list[Row] = []
    try:
        listeners[f"heard by {SpeechRecognizer.name}"] = own_listener()
    except ModelError as error:
        rows.append(Skipped(task=TASK, dataset=SpeechRecognizer.name, reason=str(error)))
    for name in MODELS:
        model = make_model(model_class(name), {})
        try:
            model.load("cpu")
        except ModelError as error:
            rows.append(Skipped(task=TASK, dataset=name, reason=str(error)))
            continue
        model.warm_up()
        rows += evaluate_model(model, listeners)
        model.close()
    return rows


if __name__ == "__main__":
    print_rows(evaluate_on(Path()))
