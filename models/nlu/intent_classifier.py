"""Find the intents of messages with a pretrained sentence encoder and a small trained head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, PreparedModel
from models.nlu.answers import put_back_errors, rank_intents
from models.nlu.encoder import EncoderSettings, SentenceEncoder
from models.nlu.intent_head import load_head
from models.nlu.padded import PreparedTexts
from models.nlu.sentence_embedder import as_numbers
from models.nlu.tokenizer import check_max_tokens
from schemas import InputError, NluResult, TextMessage

#: The shipped head: customer-service intents, trained with `python -m models.nlu.train`.
DEFAULT_HEAD = Path(__file__).parent / "weights"


class IntentClassifier(PreparedModel[TextMessage, NluResult]):
    """Classifies a text's intent; `oos` if none fits. Stateless."""

    name = "intent_classifier"
    event_type = TextMessage
    result_type = NluResult
    uses_gpu = True

    def __init__(
        self,
        encoder: str = "minilm",
        head: str | None = None,
        top_k: int = 3,
        min_score: float | None = None,
        embedding: bool = False,
        max_tokens: int = 256,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            encoder: `minilm` (extra `demo`), `roberta` (small, shipped), a folder with
                safetensors or model.onnx, an ONNX file, or a hub id.
            head: a folder made by `penstock train intent` with that encoder; None: the
                shipped head, which knows 12 customer-service intents and fits `minilm`.
            top_k: number of alternatives in a result, 0 to 1000.
            min_score: an intent with a lower score becomes `oos`, 0 to 1; None: the head's.
            embedding: add the unit-length sentence vector to each result.
            max_tokens: longer texts are cut, 8 to 4096.
        """
        check_max_tokens(max_tokens)
        if not 0 <= top_k <= 1000:
            raise ValueError(f"top_k is {top_k}: expected 0 to 1000")
        if min_score is not None and not 0 <= min_score <= 1:
            raise ValueError(f"min_score is {min_score}: expected 0 to 1")
        self._head_folder = DEFAULT_HEAD if head is None else Path(head).expanduser()
        self._source = encoder
        self._max_tokens = max_tokens
        self._top_k = top_k
        self._min_score = min_score
        self._embedding = embedding

    def load(self, device: str = "cpu") -> None:
        """Read head, tokenizer and encoder; `version` becomes a hash of their weights.

        Raises:
            ModelError: one is absent or damaged, or the head was trained with another encoder.
        """
        trained_on = self.load_head()
        self._encoder = SentenceEncoder(
            self._source,
            max_tokens=self._max_tokens,
            pooling=trained_on.pooling,
            normalize=trained_on.normalize,
        )
        self._encoder.load(device)
        self.version = self.check_encoder(self._encoder.settings)

    def load_head(self) -> EncoderSettings:
        """Read the head, and return the settings of the encoder that it was trained on.

        Raises:
            ModelError: it is absent or damaged.
        """
        self._head = load_head(self._head_folder)
        return self._head.encoder

    def check_encoder(self, settings: EncoderSettings) -> str:
        """Return the version of this head with an encoder.

        Raises:
            ModelError: the head was trained with another encoder.
        """
        if self._head.encoder != settings:
            raise ModelError(
                f"the head in {self._head_folder} was trained on another encoder than "
                f"{self._source!r}: train one with `penstock train intent` and "
                f"`encoder: {self._source}` in its configuration, and name its folder as `head`"
            )
        both = settings.fingerprint + self._head.fingerprint()
        return hashlib.sha256(both.encode()).hexdigest()[:12]

    def warm_up(self) -> None:
        """Classify one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedTexts:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        return self._encoder.prepare([message.text for message in batch])

    def predict_prepared(self, prepared: PreparedTexts) -> list[NluResult | InputError]:
        """Encode and classify B texts: results in input order, each independent of the others."""
        vectors = self._encoder.encode_prepared(prepared.passes)
        return put_back_errors(prepared.slots, self.answer(vectors))

    def answer(self, vectors: NDArray[np.float32]) -> list[NluResult]:
        """Classify texts with sentence vectors (B, D)."""
        if not len(vectors):
            return []
        results = rank_intents(
            self._head.labels,
            self._head.scores(vectors),
            top_k=self._top_k,
            min_score=self._head.min_score if self._min_score is None else self._min_score,
        )
        if self._embedding:
            for result, vector in zip(results, vectors, strict=True):
                result.embedding = as_numbers(vector)
        return results

    def close(self) -> None:
        """Free the encoder and its memory on the device."""
        self._encoder.close()
