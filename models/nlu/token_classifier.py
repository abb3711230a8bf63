"""Use a Hugging Face token-classification folder to find entities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError, PreparedModel
from models.nlu.model_files import find_model
from models.nlu.padding import check_padding, choose_padding
from models.nlu.tags import find_entities, parse_tags
from models.nlu.text_network import open_network
from models.nlu.token_limit import token_limit
from models.nlu.token_passes import (
    PreparedWindows,
    first_and_last,
    join_windows,
    prepare_windows,
    run_token_passes,
)
from models.nlu.tokenizer import check_max_tokens
from models.nlu.windows import WindowedText, WindowTokenizer
from models.options import check_option
from models.transfer import make_transfer
from schemas import InputError, TextEntities, TextMessage

if TYPE_CHECKING:
    import torch

Aggregation = Literal["first", "average", "max", "none"]


class HuggingFaceEntities(PreparedModel[TextMessage, TextEntities]):
    """Finds entities with a token classifier of the BERT or RoBERTa family. Stateless.

    Labels are the config's `id2label` without the prefixes of BIO, BILOU or BIOES.
    """

    name = "huggingface_entities"
    event_type = TextMessage
    result_type = TextEntities
    uses_gpu = True

    def __init__(
        self,
        path: str,
        aggregation: Aggregation = "first",
        outside: str = "O",
        min_score: float = 0.0,
        max_tokens: int = 256,
        overlap: int = 64,
        max_windows: int = 16,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            path: the folder (config.json, *.safetensors or model.onnx, tokenizer), an ONNX file
                in such a folder, or a hub id.
            aggregation: how the tokens of a word give its tag: that of the `first` token; the
                `average` of all; that of the token with the highest score (`max`); or `none`:
                each token has its own tag, and an entity may end within a word.
            outside: the label of words outside of entities.
            min_score: entities with a lower score are left out, 0 to 1.
            max_tokens: of a window, 8 to 4096; the model's limit holds as well.
            overlap: tokens that a window shares with the next, at most half of it.
            max_windows: a text that needs more is cut, and the result says so.
        """
        check_max_tokens(max_tokens)
        if aggregation not in get_args(Aggregation):
            raise ValueError(
                f"aggregation is {aggregation!r}: expected one of "
                + ", ".join(get_args(Aggregation))
            )
        self._path = path
        self._aggregation = aggregation
        self._outside = outside
        self._min_score = check_option("min_score", min_score, 0, 1)
        self._max_tokens = max_tokens
        self._overlap = check_option("overlap", overlap, 0, 2048)
        self._max_windows = check_option("max_windows", max_windows, 1, 1024)

    def load(self, device: str = "cpu") -> None:
        """Read config, tokenizer and weights; `version` becomes their short SHA-256.

        Raises:
            ModelError: the folder is absent, a pickle, or not a token classifier; or its labels
                have no outside.
        """
        files = find_model(self._path)
        folder = files.folder
        architectures = files.config().get("architectures") or ["none named"]
        if not any(str(name).endswith("ForTokenClassification") for name in architectures):
            raise ModelError(
                f"{folder} is no token classifier (its config says {architectures[0]}): it can't "
                "find entities"
            )
        self._network = open_network(files, "tokens", device)
        config = self._network.config
        labels = [str(config.id2label[k]) for k in range(config.num_labels)]
        self._tags = parse_tags(labels, self._outside)
        limit = min(self._max_tokens, token_limit(config.to_dict()))
        self._tokenizer = WindowTokenizer(folder, limit, self._overlap, self._max_windows)
        self._transfer = make_transfer(device)
        self._pad_id = choose_padding(folder, config, self._tokenizer.tokenizer)
        check_padding(
            folder,
            self._tokenizer.tokenizer,
            self._pad_id,
            self._transfer,
            lambda passes: first_and_last(run_token_passes(passes, self._forward)),
        )
        self.version = files.fingerprint()[:12]

    def warm_up(self) -> None:
        """Find entities in one short and one long text."""
        self.predict_batch([TextMessage(text="hello"), TextMessage(text="hello " * 1000)])

    def prepare_batch(self, batch: Sequence[TextMessage]) -> PreparedWindows:
        """Tokenize B texts and upload them to the device. Thread-safe."""
        slots = self._tokenizer([message.text for message in batch])
        return prepare_windows(slots, self._pad_id, self._transfer)

    def predict_prepared(self, prepared: PreparedWindows) -> list[TextEntities | InputError]:
        """Find the entities of B texts: results in input order, each independent of the others."""
        rows = run_token_passes(prepared.passes, self._forward)
        answers = iter(join_windows(prepared.slots, rows))
        return [
            slot if isinstance(slot, InputError) else self._answer(slot, next(answers))
            for slot in prepared.slots
        ]

    def _answer(self, text: WindowedText, probabilities: NDArray[np.float32]) -> TextEntities:
        spans = text.spans
        if self._aggregation != "none":
            spans = text.word_spans()
            probabilities = words_of_tokens(probabilities, text.words, self._aggregation)
        choices = probabilities.argmax(axis=1).tolist()
        entities = find_entities(
            text.text, spans, choices, probabilities, self._tags, self._min_score
        )
        return TextEntities(entities=entities, is_truncated=text.is_truncated)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return self._network(ids, mask).softmax(dim=2)

    def close(self) -> None:
        """Free the weights and their memory on the device."""
        del self._network


def words_of_tokens(
    rows: NDArray[np.float32], words: NDArray[np.intp], aggregation: Aggregation
) -> NDArray[np.float32]:
    """Return one row for each word, (W, D), from those of its tokens, (n, D).

    Args:
        rows: of the tokens.
        words: (n,) the word of each token, ascending from 0 without a gap.
        aggregation: `first`, `average`, or `max`: the row with the highest value.
    """
    firsts = np.flatnonzero(np.diff(words, prepend=-1))
    if aggregation == "first":
        return rows[firsts]
    if aggregation == "average":
        sums = np.add.reduceat(rows, firsts, axis=0)
        counts = np.diff(firsts, append=len(words))
        means: NDArray[np.float32] = (sums / counts[:, np.newaxis]).astype(np.float32)
        return means
    # Of a word's tokens, sorted by their highest value, the last; equal ones in their order.
    order = np.lexsort((-np.arange(len(words)), rows.max(axis=1), words))
    highest: NDArray[np.float32] = rows[order[np.append(firsts[1:], len(words)) - 1]]
    return highest
