"""Answer messages with several heads over one pass of an encoder.

Each head is that of a single model, with that model's options, and gives the same answer; the
encoder, which takes nearly all of the time, runs once instead of once for each head.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from models.base import ModelError, PreparedModel
from models.nlu.entity_encoder import Floats
from models.nlu.entity_recognizer import EntityRecognizer
from models.nlu.intent_classifier import IntentClassifier
from models.nlu.label_descriptions import LabelDescriptions
from models.nlu.sentence_embedder import as_numbers
from models.nlu.shared_encoder import PreparedShared, SharedEncoder, SharedText
from models.nlu.tokenizer import check_max_tokens
from models.nlu.zero_shot import MIN_SIMILARITY
from models.options import check_option
from schemas import InputError, NluResult, TextLabels, TextMessage, TextUnderstanding

Options = Mapping[str, Any]


class TextHeads(PreparedModel[TextMessage, TextUnderstanding]):
    """Finds intent, entities, nearest label and sentence vector in one pass. Stateless."""

    name = "text_heads"
    event_type = TextMessage
    result_type = TextUnderstanding
    uses_gpu = True

    def __init__(
        self,
        encoder: str = "minilm",
        intent: Options | None = None,
        entities: Options | None = None,
        zero_shot: Options | None = None,
        embedding: bool = False,
        max_tokens: int = 256,
        overlap: int = 64,
        max_windows: int = 16,
    ) -> None:
        """Check the options; nothing is loaded yet. Without any head, intent and entities are on.

        Args:
            encoder: `minilm` (extra `demo`), `roberta` (small, shipped), a folder with
                safetensors or model.onnx, an ONNX file, or a hub id.
            intent: options of `intent_classifier`: `head`, `top_k`, `min_score`; `{}` for all
                defaults.
            entities: options of `entity_recognizer`: `head`, `min_score`.
            zero_shot: options of `zero_shot`: `labels`, `top_k`, `min_similarity`.
            embedding: add the sentence vector, of length 1.
            max_tokens: of a window, 8 to 4096; intent, label and vector are about the first one.
            overlap: tokens that a window shares with the next, for `entities`.
            max_windows: a text that needs more is not searched to its end.
        """
        check_max_tokens(max_tokens)
        check_option("overlap", overlap, 0, 2048)
        check_option("max_windows", max_windows, 1, 1024)
        if intent is None and entities is None and zero_shot is None and not embedding:
            intent, entities = {}, {}
        kept = {
            "intent": ("head", "top_k", "min_score"),
            "entities": ("head", "min_score"),
            "zero_shot": ("labels", "top_k", "min_similarity"),
        }
        for name, given in (("intent", intent), ("entities", entities), ("zero_shot", zero_shot)):
            _check_names(name, given, kept[name])
        self._intent = None if intent is None else IntentClassifier(encoder=encoder, **intent)
        self._entities = None if entities is None else EntityRecognizer(encoder=encoder, **entities)
        self._labels = None if zero_shot is None else _labels(zero_shot)
        self._has_embedding = embedding
        windows = 1 if entities is None else max_windows
        self._encoder = SharedEncoder(encoder, max_tokens, overlap, windows)

    def load(self, device: str = "cpu") -> None:
        """Read the heads and the encoder; `version` becomes a hash of them.

        Raises:
            ModelError: one is absent or damaged, or a head was trained with another encoder.
        """
        settings = self._intent.load_head() if self._intent else None
        layers = self._entities.load_head() if self._entities else ()
        encoder = self._encoder
        encoder.load(device, settings, layers)
        parts = [encoder.settings.fingerprint, encoder.settings.pooling]
        if self._intent:
            parts.append(self._intent.check_encoder(encoder.settings))
        if self._entities:
            parts.append(self._entities.check_encoder(encoder.settings.fingerprint))
            encoder.project(self._entities.token_weights)
        if self._labels:
            parts.append(self._labels.identity())
            self._encode_labels(self._labels)
        self.version = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    def warm_up(self) -> None:
        """Answer one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedShared:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        return self._encoder.prepare([message.text for message in batch])

    def predict_prepared(self, prepared: PreparedShared) -> list[TextUnderstanding | InputError]:
        """Answer B texts: results in input order, each independent of the others."""
        vectors, words = self._encoder.encode(prepared)
        results = self._answers(vectors, words, prepared)
        return [slot if isinstance(slot, InputError) else next(results) for slot in prepared.slots]

    def _answers(
        self, vectors: Floats, words: Sequence[Floats], prepared: PreparedShared
    ) -> Iterator[TextUnderstanding]:
        """Yield the results of the good texts."""
        intents = self._intent.answer(vectors) if self._intent else []
        labels = self._labels.answer(vectors) if self._labels and len(vectors) else []
        good = [slot for slot in prepared.slots if isinstance(slot, SharedText)]
        for index, text in enumerate(good):
            result = TextUnderstanding(is_truncated=text.is_cut)
            if self._intent:
                _add_intent(result, intents[index])
            if self._labels:
                _add_labels(result, labels[index])
            if self._entities:
                found = self._entities.answer(text.windowed, words[index])
                result.entities = found.entities
                result.is_search_truncated = found.is_truncated
            if self._has_embedding:
                result.embedding = as_numbers(vectors[index])
            yield result

    def _encode_labels(self, labels: LabelDescriptions) -> None:
        def encode(texts: Sequence[str]) -> Floats:
            prepared = self._encoder.prepare(texts)
            for slot in prepared.slots:
                if isinstance(slot, InputError):
                    raise ModelError(f"a label's description can't be read: {slot}")
            return self._encoder.encode(prepared)[0]

        labels.encode(encode)

    def close(self) -> None:
        """Free the encoder and its memory on the device."""
        self._encoder.close()


def _check_names(head: str, given: object, known: Sequence[str]) -> None:
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ValueError(f"{head} is {given!r}: expected its options, such as {{}}")
    unknown = sorted(set(map(str, given)) - set(known))
    if unknown:
        raise ValueError(f"{head} has no option {unknown[0]}: its options are {', '.join(known)}")


def _labels(options: Options) -> LabelDescriptions:
    if "labels" not in options:
        raise ValueError("zero_shot lacks `labels`: a list of names, or names and descriptions")
    given = {"top_k": 3, "min_similarity": MIN_SIMILARITY, **options}
    return LabelDescriptions(**given)


def _add_intent(result: TextUnderstanding, found: NluResult) -> None:
    result.intent, result.score, result.alternatives = found.intent, found.score, found.alternatives


def _add_labels(result: TextUnderstanding, found: TextLabels) -> None:
    result.label, result.labels = found.label, found.labels
