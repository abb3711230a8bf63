"""Answer messages with their sentence vectors.

Source: Reimers and Gurevych, 2019, "Sentence-BERT", arXiv:1908.10084.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.base import PreparedModel
from models.nlu.answers import DECIMALS
from models.nlu.encoder import SentenceEncoder
from models.nlu.padded import PreparedTexts
from models.nlu.sentence_folder import Pooling
from models.nlu.tokenizer import CutTokens
from schemas import InputError, TextEmbedding, TextMessage

VectorFormat = Literal["list", "float16"]


class SentenceEmbedder(PreparedModel[TextMessage, TextEmbedding]):
    """Encodes a text as a vector of length 1, for search and comparison. Stateless."""

    name = "sentence_encoder"
    event_type = TextMessage
    result_type = TextEmbedding
    uses_gpu = True

    def __init__(
        self,
        encoder: str = "minilm",
        format: VectorFormat = "list",
        pooling: Pooling | None = None,
        max_tokens: int = 256,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            encoder: `minilm` (extra `demo`), `roberta` (small, shipped), a folder with
                safetensors or model.onnx, an ONNX file, or a hub id.
            format: `list`, numbers with six decimals; or `float16`, base64 of little-endian
                half-precision numbers, a quarter of the size, with errors below 0.0005.
            pooling: `mean` of all tokens or the `first` token's vector; None: as the folder of
                sentence-transformers says, else `mean`.
            max_tokens: longer texts are cut, 8 to 4096; the model's limit holds as well.
        """
        if format not in get_args(VectorFormat):
            raise ValueError(f"format is {format!r}: expected list or float16")
        self._encoder = SentenceEncoder(encoder, max_tokens=max_tokens, pooling=pooling)
        self._format = format

    def load(self, device: str = "cpu") -> None:
        """Read tokenizer and weights; `version` becomes a hash of them and the pooling.

        Raises:
            ModelError: the folder is absent or incomplete, or a pickle.
        """
        self._encoder.load(device)
        self.version = encoder_version(self._encoder)

    def warm_up(self) -> None:
        """Encode one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedTexts:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        return self._encoder.prepare([message.text for message in batch])

    def predict_prepared(self, prepared: PreparedTexts) -> list[TextEmbedding | InputError]:
        """Encode B texts: results in input order, each independent of the others."""
        rows = iter(self._encoder.encode_prepared(prepared.passes))
        return [
            slot if isinstance(slot, InputError) else self._answer(next(rows), slot)
            for slot in prepared.slots
        ]

    def _answer(self, vector: NDArray[np.float32], tokens: list[int]) -> TextEmbedding:
        result = TextEmbedding(dimension=len(vector), is_truncated=isinstance(tokens, CutTokens))
        if self._format == "list":
            result.embedding = as_numbers(vector)
        else:
            result.packed = base64.b64encode(vector.astype("<f2").tobytes()).decode()
        return result

    def close(self) -> None:
        """Free the encoder and its memory on the device."""
        self._encoder.close()


def as_numbers(vector: NDArray[np.float32]) -> list[float]:
    """Return a vector as it stands in results: scaled to length 1, with six decimals."""
    unit = vector.astype(np.float64)
    unit /= max(float(np.linalg.norm(unit)), 1e-12)
    numbers: list[float] = np.round(unit, DECIMALS).tolist()
    return numbers


def encoder_version(encoder: SentenceEncoder, *parts: str) -> str:
    """Return a version: a short hash of a loaded encoder, its pooling and further parts."""
    settings = encoder.settings
    text = "\n".join([settings.fingerprint, settings.pooling, *parts])
    return hashlib.sha256(text.encode()).hexdigest()[:12]
