"""Judge the synthesizers: how many words of unseen sentences a recognizer understands.

    python -m models.synthesis.evaluate

The sentences are of the speech grammar, none of them was trained on; pocketsphinx is given the
same grammar. The rates are of this machine: they mean something only while it does nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from models.base import Model, ModelError
from models.evaluation import Row, Skipped, measures, one_result, print_rows
from models.registry import make_model, model_class
from models.synthesis.judge import Judge, num_errors, num_recognized
from models.synthesis.sentences import unseen_sentences, words_of
from schemas import SpokenAudio, TextMessage

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


def evaluate_model(model: Model[Any, Any], listen: Listener) -> list[Row]:
    """Return the rows of one loaded model."""
    texts = unseen_sentences(SEED, NUM_SENTENCES, MAX_CHARACTERS)
    spoken, rate = speak_all(model, texts)
    values = {
        **figures_of(texts, spoken, listen),
        f"seconds of speech in a second, batch of {_BATCH}": rate,
    }
    return measures(
        TASK,
        f"{NUM_SENTENCES} unseen sentences, pocketsphinx with their grammar",
        model.name,
        values,
        lower_is_better=("word error rate", "sentences with a fault"),
        seed=SEED,
    )


def evaluate_on(data_dir: Path) -> list[Row]:
    """Return the rows of each model; `data_dir` is not read."""
    judge = Judge()
    rows: list[Row] = []
    for name in MODELS:
        model = make_model(model_class(name), {})
        try:
            model.load("cpu")
        except ModelError as error:
            rows.append(Skipped(task=TASK, dataset=name, reason=str(error)))
            continue
        model.warm_up()
        rows += evaluate_model(model, judge.words)
        model.close()
    return rows


if __name__ == "__main__":
    print_rows(evaluate_on(Path()))
