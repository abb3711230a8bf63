"""Measure what late labels bring: intents of CLINC150 that arrive in a shuffled stream.

    python -m models.feedback.evaluate FOLDER_OF_DATA

The trained head knows half of the 150 intents, from CLINC150's train part. The stream is the test
part, without texts that are out of scope. Each text is answered, and learned once its label comes,
100 or 1,000 records later; what counts is the answer that was given. Source of the data: Larson et
al., 2019, "An Evaluation Dataset for Intent Classification and Out-of-Scope Prediction", EMNLP.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.evaluation import Measure, Row, answer_stream, one_result, print_rows, without_data
from models.nlu.encoder import SentenceEncoder
from models.nlu.head_training import fit_head
from models.nlu.intent_head import IntentHead
from models.nlu.online_intent_head import OnlineIntentHead
from models.nlu.padded import PaddedTexts, PreparedTexts
from models.nlu.tokenizer import Tokens
from schemas import Event, Feedback, TextMessage

TASK = "feedback"
_SEED = 0
_DELAYS = (100, 1000)
#: river's softmax regression answers and learns about ten texts a second.
_PEER_TEXTS = 1000
_LAST = 1000


class _KnownVectors:
    """Stands for the encoder of a model, with the vectors of all texts: encoded once, not often."""

    def __init__(self, encoder: SentenceEncoder, texts: Sequence[str]) -> None:
        self.settings, self.dimension = encoder.settings, encoder.dimension
        self._rows = dict(zip(texts, encoder.encode(texts), strict=True))

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        return [Tokens() for _ in texts]

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        return PreparedTexts(list(self.tokenize(texts)), list(texts))  # type: ignore[arg-type]

    def encode_prepared(self, passes: Sequence[PaddedTexts]) -> NDArray[np.float32]:
        return self.encode(passes)  # type: ignore[arg-type]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([self._rows[text] for text in texts]).reshape(len(texts), self.dimension)


def evaluate_on(data_dir: Path) -> list[Row]:
    """Measure on the folder `clinc150` of `data_dir`; takes about 3 minutes on one core.

    Raises:
        ModelError: the encoder is not installed.
    """
    path = data_dir / "clinc150" / "clinc150.jsonl.gz"
    if not path.is_file():
        return without_data(TASK, "clinc150")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["intent"] != "oos"]
    stream = [row for row in rows if row["split"] == "test"]
    random.Random(_SEED).shuffle(stream)
    known = set(sorted({row["intent"] for row in rows})[::2])
    train = [row for row in rows if row["split"] == "train" and row["intent"] in known]
    encoder = SentenceEncoder("minilm")
    encoder.load()
    texts = [row["text"] for row in stream]
    vectors = _KnownVectors(encoder, texts)
    head = fit_head(
        encoder.encode([row["text"] for row in train]),
        [row["intent"] for row in train],
        encoder.settings,
    )
    return [
        *_rate_static(head, vectors, stream),
        *(row for delay in _DELAYS for row in _rate_online(head, vectors, stream, delay)),
        *_rate_peer(vectors, stream[:_PEER_TEXTS], _DELAYS[0]),
    ]


def _rate_static(head: IntentHead, vectors: _KnownVectors, stream: list[Any]) -> list[Row]:
    answers = head.probabilities(vectors.encode([row["text"] for row in stream])).argmax(axis=1)
    right = [head.labels[k] == row["intent"] for k, row in zip(answers, stream, strict=True)]
    return _measures("the trained head alone", "no labels", right)


def _rate_online(
    head: IntentHead, vectors: _KnownVectors, stream: list[Any], delay: int
) -> list[Row]:
    with TemporaryDirectory() as folder:
        head.save(Path(folder))
        return [
            *_measures(
                "online_intent_head (starts from the trained head)", _late(delay),
                online_answers(OnlineIntentHead(head=folder), vectors, stream, delay),
            ),
            *_measures(
                "online_intent_head (starts empty)", _late(delay),
                online_answers(OnlineIntentHead(head="empty"), vectors, stream, delay),
            ),
        ]  # fmt: skip


def online_answers(
    model: OnlineIntentHead, vectors: _KnownVectors, stream: Sequence[Any], delay: int
) -> list[bool]:
    """Return for each text of a stream whether its answer was right."""
    model.load()
    model._encoder = vectors  # type: ignore[assignment]
    log: list[Event] = []
    for i, row in enumerate(stream):
        log.append(TextMessage(source_id="s", event_id=str(i), text=row["text"]))
        if i >= delay:
            late = stream[i - delay]["intent"]
            log.append(Feedback(source_id="s", label=late, about=str(i - delay)))
    answers = [a for a, e in zip(answer_stream(model, log), log, strict=True) if a is not None]
    return [
        one_result(answer).intent == row["intent"]
        for answer, row in zip(answers, stream, strict=True)
    ]


def _rate_peer(vectors: _KnownVectors, stream: list[Any], delay: int) -> list[Row]:
    """Rate river's softmax regression, and this model, on the first texts of the stream."""
    from river.linear_model import SoftmaxRegression
    from river.optim import Adam

    peer, right = SoftmaxRegression(optimizer=Adam(0.01)), []
    features = [
        dict(enumerate(row.tolist())) for row in vectors.encode([row["text"] for row in stream])
    ]
    for i, row in enumerate(stream):
        right.append(peer.predict_one(features[i]) == row["intent"])
        if i >= delay:
            peer.learn_one(features[i - delay], stream[i - delay]["intent"])
    what = f"first {len(stream):,} texts, {_late(delay)}"
    accuracies = online_answers(OnlineIntentHead(head="empty"), vectors, stream, delay)
    return [
        _measure("river's SoftmaxRegression", what, "prequential accuracy", right),
        _measure(
            "online_intent_head (starts empty)", what, "prequential accuracy", accuracies
        ),
    ]  # fmt: skip


def _late(delay: int) -> str:
    return f"labels {delay:,} records late"


def _measures(model: str, what: str, right: list[bool]) -> list[Row]:
    return [
        _measure(model, what, "prequential accuracy", right),
        _measure(model, what, f"accuracy of the last {_LAST:,}", right[-_LAST:]),
    ]


def _measure(model: str, what: str, metric: str, right: list[bool]) -> Measure:
    return Measure(
        task=TASK, dataset=f"clinc150, test, {what}", model=model, metric=metric,
        value=float(np.mean(right)), seed=_SEED,
    )  # fmt: skip


if __name__ == "__main__":
    print_rows(evaluate_on(Path(sys.argv[1])))
