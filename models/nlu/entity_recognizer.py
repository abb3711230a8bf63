"""Find entities with a frozen pretrained encoder and a small trained head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from models.base import ModelError, PreparedModel
from models.nlu.entity_encoder import EntityEncoder, Floats
from models.nlu.entity_features import word_shapes
from models.nlu.entity_head import load_entity_head
from models.nlu.tags import find_entities, parse_tags
from models.nlu.token_passes import PreparedWindows
from models.nlu.tokenizer import check_max_tokens
from models.nlu.windows import WindowedText
from models.options import check_option
from schemas import InputError, TextEntities, TextMessage

#: The shipped head, trained with `python -m models.nlu.train_entities`.
DEFAULT_ENTITY_HEAD = Path(__file__).parent / "weights" / "entities"


class EntityRecognizer(PreparedModel[TextMessage, TextEntities]):
    """Finds persons, places and other entities in informal English texts. Stateless."""

    name = "entity_recognizer"
    event_type = TextMessage
    result_type = TextEntities
    uses_gpu = True

    def __init__(
        self,
        encoder: str = "minilm",
        head: str | None = None,
        min_score: float = 0.0,
        max_tokens: int = 256,
        overlap: int = 64,
        max_windows: int = 16,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            encoder: `minilm` (extra `demo`), a folder with safetensors (or an ONNX
                file if the head reads only the last layer), or a hub id.
            head: a folder made by `python -m models.nlu.train_entities` with that encoder; None:
                the shipped head, which knows the six kinds of WNUT 2017 and fits `minilm`.
            min_score: entities with a lower score are left out, 0 to 1.
            max_tokens: of a window, 8 to 4096; the model's limit holds as well.
            overlap: tokens that a window shares with the next, at most half of it.
            max_windows: a text that needs more is cut, and the result says so.
        """
        check_max_tokens(max_tokens)
        self._head_folder = DEFAULT_ENTITY_HEAD if head is None else Path(head).expanduser()
        self._min_score = check_option("min_score", min_score, 0, 1)
        self._encoder = EntityEncoder(
            encoder,
            max_tokens,
            check_option("overlap", overlap, 0, 2048),
            check_option("max_windows", max_windows, 1, 1024),
        )

    def load(self, device: str = "cpu") -> None:
        """Read head, tokenizer and encoder; `version` becomes a hash of their weights.

        Raises:
            ModelError: one is absent or damaged, or the head was trained with another encoder.
        """
        self._encoder.load(device, self.load_head())
        self.version = self.check_encoder(self._encoder.fingerprint)
        self._encoder.project(self.token_weights)

    def load_head(self) -> tuple[int, ...]:
        """Read the head, and return the encoder's layers that it reads.

        Raises:
            ModelError: it is absent or damaged.
        """
        self._head = load_entity_head(self._head_folder)
        self._tags = parse_tags(self._head.labels)
        return self._head.layers

    @property
    def token_weights(self) -> Floats:
        """What the encoder's hidden states are multiplied by, (L * D, H)."""
        return self._head.token_weights

    def check_encoder(self, fingerprint: str) -> str:
        """Return the version of this head with an encoder.

        Raises:
            ModelError: the head was trained with another encoder.
        """
        if self._head.encoder != fingerprint:
            source = self._encoder.source
            raise ModelError(
                f"the head in {self._head_folder} was trained on another encoder than {source!r}: "
                f"train one with `python -m models.nlu.train_entities --encoder {source} --data "
                "DIR --out FOLDER` and name its folder as `head`"
            )
        both = fingerprint + self._head.fingerprint()
        return hashlib.sha256(both.encode()).hexdigest()[:12]

    def warm_up(self) -> None:
        """Find entities in one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedWindows:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        return self._encoder.prepare([message.text for message in batch])

    def predict_prepared(self, prepared: PreparedWindows) -> list[TextEntities | InputError]:
        """Find the entities of B texts: results in input order, each independent of the others."""
        projected = iter(self._encoder.encode_prepared(prepared))
        return [
            slot if isinstance(slot, InputError) else self.answer(slot, next(projected))
            for slot in prepared.slots
        ]

    def answer(self, text: WindowedText, projected: Floats) -> TextEntities:
        """Find the entities of a text, from the projected hidden states (W, H) of its words."""
        spans = text.word_spans()
        probabilities = self._head.probabilities(projected, word_shapes(text.text, spans))
        choices = self._head.best_tags(probabilities)
        entities = find_entities(
            text.text, spans, choices, probabilities, self._tags, self._min_score
        )
        return TextEntities(entities=entities, is_truncated=text.is_truncated)

    def close(self) -> None:
        """Free the encoder and its memory on the device."""
        self._encoder.close()
