"""Sort messages by labels that are described in words, without training.

The text and each label's description are encoded by one sentence encoder and compared. Source: Yin
et al., 2019, "Benchmarking Zero-shot Text Classification", arXiv:1909.00161 (its embedding-based
approach).
"""

from __future__ import annotations

from collections.abc import Sequence

from models.base import ModelError, PreparedModel
from models.nlu.encoder import SentenceEncoder
from models.nlu.label_descriptions import LabelDescriptions, Labels
from models.nlu.padded import PreparedTexts
from models.nlu.sentence_embedder import encoder_version
from models.nlu.sentence_folder import Pooling
from models.nlu.tokenizer import CutTokens
from schemas import InputError, TextLabels, TextMessage

#: See docs/language.md: chosen for MiniLM on CLINC150's validation part.
MIN_SIMILARITY = 0.3


class ZeroShot(PreparedModel[TextMessage, TextLabels]):
    """Finds which of your labels, described in words, a text is nearest to. Stateless."""

    name = "zero_shot"
    event_type = TextMessage
    result_type = TextLabels
    uses_gpu = True

    def __init__(
        self,
        labels: Labels,
        encoder: str = "minilm",
        top_k: int = 3,
        min_similarity: float = MIN_SIMILARITY,
        pooling: Pooling | None = None,
        max_tokens: int = 256,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            labels: a list of names; or a mapping of each name to a description or a list of them,
                such as typical texts.
            encoder: `minilm` (extra `demo`), `roberta` (small, shipped), a folder with
                safetensors or model.onnx, an ONNX file, or a hub id.
            top_k: number of labels in a result, 1 to 1000.
            min_similarity: if no label's cosine reaches it, `label` is null; -1 to 1. The default
                fits `minilm`; other encoders have other cosines.
            pooling: `mean` of all tokens or the `first` token's vector; None: as the folder of
                sentence-transformers says, else `mean`.
            max_tokens: longer texts are cut, 8 to 4096; the model's limit holds as well.
        """
        self._labels = LabelDescriptions(labels, top_k, min_similarity)
        self._encoder = SentenceEncoder(encoder, max_tokens=max_tokens, pooling=pooling)

    def load(self, device: str = "cpu") -> None:
        """Read the encoder and encode the labels; `version` becomes a hash of both.

        Raises:
            ModelError: the encoder is absent or incomplete, or can't read a description.
        """
        self._encoder.load(device)
        encode_labels(self._labels, self._encoder)
        self.version = encoder_version(self._encoder, self._labels.identity())

    def warm_up(self) -> None:
        """Answer one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedTexts:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        return self._encoder.prepare([message.text for message in batch])

    def predict_prepared(self, prepared: PreparedTexts) -> list[TextLabels | InputError]:
        """Answer B texts: results in input order, each independent of the others."""
        vectors = self._encoder.encode_prepared(prepared.passes)
        results = iter(self._labels.answer(vectors) if len(vectors) else [])
        answers: list[TextLabels | InputError] = []
        for slot in prepared.slots:
            if isinstance(slot, InputError):
                answers.append(slot)
                continue
            result = next(results)
            result.is_truncated = isinstance(slot, CutTokens)
            answers.append(result)
        return answers

    def close(self) -> None:
        """Free the encoder and its memory on the device."""
        self._encoder.close()


def encode_labels(labels: LabelDescriptions, encoder: SentenceEncoder) -> None:
    """Encode the descriptions of labels.

    Raises:
        ModelError: the encoder can't read a description.
    """
    try:
        labels.encode(encoder.encode)
    except InputError as error:
        raise ModelError(f"a label's description can't be read: {error}") from error
