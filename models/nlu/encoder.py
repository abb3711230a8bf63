"""Encode sentences as vectors: a BERT-family encoder with masked pooling.

Source: Devlin et al., 2019, "BERT", arXiv:1810.04805; pooling and normalization after Reimers and
Gurevych, 2019, "Sentence-BERT", arXiv:1908.10084.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

import numpy as np
from numpy.typing import NDArray

from models.nlu.model_files import find_model
from models.nlu.padded import PaddedTexts, PreparedTexts, prepare_texts, run_passes, send_padded
from models.nlu.padding import check_padding, choose_padding
from models.nlu.sentence_folder import Pooling, read_pooling
from models.nlu.text_network import open_network
from models.nlu.token_limit import token_limit
from models.nlu.tokenizer import Tokenizer, Tokens, check_max_tokens
from models.transfer import make_transfer
from schemas import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class EncoderSettings:
    """The settings that decide a vector; vectors of different settings can't be compared."""

    fingerprint: str
    """SHA-256 (hex) of weights, config and tokenizer."""
    pooling: Pooling
    """`mean` over real tokens, or the `first` token's vector ([CLS])."""
    normalize: bool
    """Whether every vector is scaled to length 1."""

    def __post_init__(self) -> None:
        if self.pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {self.pooling!r}: expected one of {get_args(Pooling)}")


class SentenceEncoder:
    """A pretrained sentence encoder. `tokenize` and `prepare` are thread-safe, the rest is not.

    A text's vector does not depend on other texts in the batch, except for the last digits (below
    1e-5): attention and pooling are masked, and only the order of floating-point sums differs.
    """

    def __init__(
        self,
        source: str = "minilm",
        *,
        max_tokens: int = 256,
        pooling: Pooling | None = "mean",
        normalize: bool = True,
    ) -> None:
        """Check the options; nothing is loaded yet.

        Args:
            source: `minilm` (extra `demo`), `roberta` (small, shipped), a folder with
                safetensors or model.onnx, an ONNX file, or a hub id.
            max_tokens: longer texts are cut, 8 to 4096; the model's limit holds as well.
            pooling: see `EncoderSettings`; None: as the folder says (`read_pooling`).
            normalize: see `EncoderSettings`.

        Raises:
            ValueError: `max_tokens` or `pooling` is out of range.
        """
        check_max_tokens(max_tokens)
        self.source = source
        self.settings = EncoderSettings("", pooling or "mean", normalize)
        self._reads_pooling = pooling is None
        self._max_tokens = max_tokens

    def load(self, device: str = "cpu") -> None:
        """Read tokenizer and weights.

        Raises:
            ModelError: the folder is absent or incomplete, a pickle, or the hub can't be reached.
        """
        files = find_model(self.source)
        files.config()
        folder = files.folder
        if self._reads_pooling:
            self.settings = replace(self.settings, pooling=read_pooling(folder))
        self._network = open_network(files, "encoder", device)
        config = self._network.config
        limit = token_limit(config.to_dict())
        self._tokenizer = Tokenizer(folder, min(self._max_tokens, limit))
        self._transfer = make_transfer(device)
        self._pad_id = choose_padding(folder, config, self._tokenizer)
        check_padding(folder, self._tokenizer, self._pad_id, self._transfer, self.encode_prepared)
        self.settings = replace(self.settings, fingerprint=files.fingerprint())

    @property
    def dimension(self) -> int:
        """Length D of a vector; known after `load`."""
        return int(self._network.config.hidden_size)

    def tokenize(self, texts: Sequence[str]) -> list[Tokens | InputError]:
        """Return the token ids of B texts, cut to `max_tokens`, or a text's error."""
        return self._tokenizer(texts)

    def prepare(self, texts: Sequence[str]) -> PreparedTexts:
        """Tokenize B texts, pad them, and upload them to the device; thread-safe."""
        return prepare_texts(self.tokenize(texts), self._pad_id, self._transfer)

    def encode_prepared(self, passes: Sequence[PaddedTexts]) -> NDArray[np.float32]:
        """Return the vectors (N, D) float32 of the N texts of these passes, in their order."""
        if not passes:
            return np.empty((0, self.dimension), dtype=np.float32)
        return run_passes(passes, self._forward)

    def encode_tokens(self, tokens: Sequence[Tokens]) -> NDArray[np.float32]:
        """Return the vectors (B, D) float32 in input order; of length 1 if `normalize` is set."""
        return self.encode_prepared(send_padded(tokens, self._pad_id, self._transfer))

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors (B, D) float32 of B texts.

        Raises:
            InputError: a text can't be tokenized.
        """
        tokens: list[Tokens] = []
        for ids in self.tokenize(texts):
            if isinstance(ids, InputError):
                raise ids
            tokens.append(ids)
        return self.encode_tokens(tokens)

    def close(self) -> None:
        """Free the weights and their memory on the device."""
        del self._network

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return pool(self._network(ids, mask), mask, self.settings)


def pool(hidden: torch.Tensor, mask: torch.Tensor, settings: EncoderSettings) -> torch.Tensor:
    """Reduce hidden states (B, T, D) to sentence vectors (B, D), ignoring padding."""
    import torch

    if settings.pooling == "first":
        vectors = hidden[:, 0]
    else:
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        vectors = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
    return torch.nn.functional.normalize(vectors, dim=1) if settings.normalize else vectors
