"""Finds intents of messages and learns from late labels: a frozen encoder and a learning head."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, OnlineModel
from models.feedback.running_accuracy import RunningAccuracy
from models.feedback.waiting_events import WaitingEvents
from models.nlu.answers import put_back_errors, rank_intents
from models.nlu.encoder import EncoderSettings, SentenceEncoder
from models.nlu.intent_classifier import DEFAULT_HEAD
from models.nlu.intent_head import OUT_OF_SCOPE, IntentHead, load_head
from models.nlu.streaming_discriminant import StreamingDiscriminant
from models.nlu.tokenizer import check_max_tokens
from models.options import check_option
from models.snapshots import Option, pack, unpack
from schemas import Event, Feedback, InputError, NluResult, TextMessage

Vectors = NDArray[np.float32]
Answers = list[NluResult | InputError | None]

_LAYOUT_VERSION = 1
#: Characters kept of a text that waits for its label: more than 256 tokens have.
_MAX_TEXT_CHARS = 4_000
#: The two heads are weighed by their last labels: one counts 1/e as much after this many.
_WEIGHING_LABELS = 200.0
_LEAST_PROBABILITY = 1e-4

#: The instances of an agent's partitions share one encoder. A thread's, as it has one caller.
_encoders: WeakValueDictionary[tuple[object, ...], SentenceEncoder] = WeakValueDictionary()


class OnlineIntentHead(OnlineModel[Event, NluResult]):
    """Classifies intents as `intent_classifier` does, and learns from labels that come later.

    The answer is a mixture of two heads: the trained one that it starts from, if any, and one that
    learns every label (`StreamingDiscriminant`). Each weighs as much as the likelihood that it gave
    to recent labels before they were learned. Labels may name new intents.
    """

    name = "online_intent_head"
    event_type = TextMessage
    result_type = NluResult
    side_types = (Feedback,)
    learn_every = 64
    uses_gpu = True

    def __init__(
        self,
        encoder: str = "minilm",
        head: str = "shipped",
        max_classes: int = 200,
        max_waiting: int = 2000,
        accuracy_window: int = 1000,
        top_k: int = 3,
        min_score: float = 0.0,
        max_tokens: int = 256,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            encoder: as of `intent_classifier`.
            head: where to start: `shipped`, `empty`, or a folder made by `penstock train
                intent` with that encoder.
            max_classes: intents learned from labels, at most, 2 to 10,000; further ones are
                refused and counted.
            max_waiting: events of a partition that are remembered until their labels come, 1 to
                1,000,000.
            accuracy_window: labels that the measured accuracy is about, 1 to 1,000,000.
            top_k: number of alternatives in a result, 0 to 1000.
            min_score: an intent with a lower score becomes `oos`, 0 to 1; while the trained head
                decides, its own limit holds.
            max_tokens: longer texts are cut, 8 to 4096.
        """
        check_max_tokens(max_tokens)
        self._source, self._start, self._max_tokens = encoder, head, max_tokens
        self._max_classes = check_option("max_classes", max_classes, 2, 10_000)
        self._max_waiting = check_option("max_waiting", max_waiting, 1, 1_000_000)
        self._window = check_option("accuracy_window", accuracy_window, 1, 1_000_000)
        self._top_k = check_option("top_k", top_k, 0, 1000)
        self._min_score = check_option("min_score", min_score, 0, 1)
        self._waiting = WaitingEvents(max_waiting)
        self._accuracy = RunningAccuracy(accuracy_window)
        self._likelihoods = np.zeros(2)
        """Decayed log-likelihoods of the trained and the learning head."""
        self._num_refused = 0

    def load(self, device: str = "cpu") -> None:
        """Read head, tokenizer and encoder; `version` becomes a hash of their weights.

        Raises:
            ModelError: the head is absent or damaged, or was trained with another encoder.
        """
        self._head = self._load_head()
        settings = None if self._head is None else self._head.encoder
        self._encoder = _shared_encoder(self._source, self._max_tokens, settings, device)
        if settings is not None and settings != self._encoder.settings:
            raise ModelError(
                f"head: {self._start} was trained on another encoder than {self._source!r}: use "
                "`head: empty`, or a folder of `penstock train intent` with this encoder"
            )
        digest = self._encoder.settings.fingerprint
        digest += self._head.fingerprint() if self._head else ""
        self.version = hashlib.sha256(digest.encode()).hexdigest()[:12]
        self._learned = StreamingDiscriminant(self._encoder.dimension, self._max_classes)

    def _load_head(self) -> IntentHead | None:
        if self._start == "empty":
            return None
        shipped = self._start == "shipped"
        return load_head(DEFAULT_HEAD if shipped else Path(self._start).expanduser())

    def warm_up(self) -> None:
        """Classify one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def predict_batch(self, batch: Sequence[Event]) -> Answers:
        """Answer texts; labels have no answer."""
        return self.predict_joined([self], [batch])[0]

    def predict_joined(
        self, models: Sequence[Any], batches: Sequence[Sequence[Event]]
    ) -> list[Answers]:
        """Answer the texts of several partitions with one call of the encoder."""
        texts = [e.text for batch in batches for e in batch if isinstance(e, TextMessage)]
        prepared = self._encoder.prepare(texts)
        vectors = self._encoder.encode_prepared(prepared.passes)
        answers: list[Answers] = []
        slot = row = 0
        for model, batch in zip(models, batches, strict=True):
            num_texts = sum(isinstance(event, TextMessage) for event in batch)
            slots = prepared.slots[slot : slot + num_texts]
            num_good = sum(not isinstance(each, InputError) for each in slots)
            results = model._classify(vectors[row : row + num_good])
            of_texts = iter(put_back_errors(slots, results))
            answers.append([next(of_texts) if isinstance(e, TextMessage) else None for e in batch])
            slot, row = slot + num_texts, row + num_good
        return answers

    def _classify(self, vectors: Vectors) -> list[NluResult]:
        if not len(vectors):
            return []
        labels, scores = self._mixed(vectors)
        if not any(label != OUT_OF_SCOPE for label in labels):
            return [NluResult(intent=OUT_OF_SCOPE, score=1.0) for _ in vectors]
        share = self._share_of_trained()
        limit = share * (self._head.min_score if self._head else 0.0)
        limit += (1 - share) * self._min_score
        ranked = rank_intents(labels, scores, top_k=self._top_k, min_score=limit)
        return ranked

    def _mixed(self, vectors: Vectors) -> tuple[list[str], Vectors]:
        """Return all labels, and the scores of both heads weighed, (B, K)."""
        share = self._share_of_trained()
        trained = list(self._head.labels) if self._head else []
        new = [label for label in self._learned.labels if label not in set(trained)]
        labels = trained + new
        scores = np.zeros((len(vectors), len(labels)))
        if self._head is not None:
            scores[:, : len(trained)] = share * self._head.scores(vectors)
        if self._learned.labels:
            column = {label: i for i, label in enumerate(labels)}
            columns = [column[label] for label in self._learned.labels]
            scores[:, columns] += (1 - share) * self._learned.probabilities(vectors)
        return labels, scores.astype(np.float32)

    def _share_of_trained(self) -> float:
        """Return the weight of the head that it started from, in [0, 1]."""
        if self._head is None:
            return 0.0
        if not self._learned.labels:
            return 1.0
        difference = float(np.clip(self._likelihoods[1] - self._likelihoods[0], -500.0, 500.0))
        return float(1.0 / (1.0 + np.exp(difference)))

    def note_offsets(self, partition: tuple[str, int], offsets: Sequence[int]) -> None:
        """Note where the events of the next step are, which their labels name."""
        self._waiting.note(partition, offsets)

    def learn_batch(self, batch: Sequence[Event]) -> None:
        """Remember the step's texts, and learn those whose labels are in it, in order."""
        texts: list[str] = []
        labels: list[str] = []
        for offset, event in zip(self._waiting.offsets_of(len(batch)), batch, strict=True):
            if isinstance(event, TextMessage):
                self._waiting.add(offset, event.event_id, event.text[:_MAX_TEXT_CHARS])
            elif isinstance(event, Feedback) and (found := self._waiting.take(event)):
                texts.append(found.payload)
                labels.append(event.label)
        if texts:
            self._learn(texts, labels)

    def _learn(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        """Score each text with the present heads, then learn it.

        Encoded again, all labels of a step together: a vector's last digits depend on the texts
        beside it, and those of the micro-batch that answered it differ from run to run.
        """
        tokens = self._encoder.tokenize(texts)
        good = [i for i, ids in enumerate(tokens) if not isinstance(ids, InputError)]
        if not good:
            return
        vectors = self._encoder.encode([texts[i] for i in good])
        kept = [labels[i] for i in good]
        for result, label in zip(self._classify(vectors), kept, strict=True):
            self._accuracy.add(result.intent == label)
        self._weigh(vectors, kept)
        self._num_refused += self._learned.learn(vectors, kept)

    def _weigh(self, vectors: Vectors, labels: Sequence[str]) -> None:
        """Add the log-likelihoods of labels under both heads."""
        columns: list[tuple[list[str], NDArray[Any]]] = [
            (self._learned.labels, self._learned.probabilities(vectors))
        ]
        if self._head is not None:
            columns.insert(0, (list(self._head.labels), self._head.probabilities(vectors)))
        found = [_likelihoods(names, p, labels) for names, p in columns]
        for step in zip(*found, strict=True):
            self._likelihoods *= 1 - 1 / _WEIGHING_LABELS
            self._likelihoods[-len(step) :] += step

    def label_sums(self) -> tuple[float, float]:
        """Return the decayed numbers of right answers and of labels."""
        return self._accuracy.num_right, self._accuracy.num_labels

    def take_incidents(self) -> dict[str, int]:
        """Return the labels that were not learned since the last call, by kind."""
        refused, self._num_refused = self._num_refused, 0
        return {**self._waiting.take_incidents(), "refused_class": refused}

    def close(self) -> None:
        """Drop this instance's use of the encoder; the last one frees it."""
        del self._encoder

    def _options(self) -> dict[str, Option]:
        return {"version": self.version, "max_classes": self._max_classes,
                "max_waiting": self._max_waiting, "accuracy_window": self._window}  # fmt: skip

    def snapshot(self) -> bytes:
        """Return the learning head, and the texts that wait for labels."""
        names = {**self._waiting.names(), "classes": self._learned.labels}
        sums = [*self.label_sums(), *self._likelihoods]
        arrays = {**self._learned.arrays(), **self._waiting.arrays(), "sums": np.array(sums)}
        return pack(self.name, _LAYOUT_VERSION, self._options(), names, arrays)

    def restore(self, state: bytes) -> None:
        """Take the head and the waiting texts of a snapshot."""
        saved = unpack(state, self.name, _LAYOUT_VERSION, self._options())
        learned = StreamingDiscriminant.load(self._encoder.dimension, self._max_classes, saved)
        waiting = WaitingEvents.load(self._max_waiting, saved)
        sums = saved.array("sums", np.zeros(0), 4)
        self._learned, self._waiting = learned, waiting
        self._accuracy.num_right, self._accuracy.num_labels = sums[:2].tolist()
        self._likelihoods = sums[2:]


def _likelihoods(
    names: Sequence[str], probabilities: NDArray[Any], labels: Sequence[str]
) -> list[float]:
    """Return the log of each label's probability; of a label that is not known the least one."""
    column = {name: i for i, name in enumerate(names)}
    return [
        float(np.log(max(row[column[label]], _LEAST_PROBABILITY)))
        if label in column
        else float(np.log(_LEAST_PROBABILITY))
        for row, label in zip(probabilities, labels, strict=True)
    ]


def _shared_encoder(
    source: str, max_tokens: int, settings: EncoderSettings | None, device: str
) -> SentenceEncoder:
    pooling = settings.pooling if settings else "mean"
    normalize = settings.normalize if settings else True
    key = (source, max_tokens, pooling, normalize, device, threading.get_ident())
    encoder = _encoders.get(key)
    if encoder is None:
        encoder = SentenceEncoder(
            source, max_tokens=max_tokens, pooling=pooling, normalize=normalize
        )
        encoder.load(device)
        _encoders[key] = encoder
    return encoder
