"""The hidden states of a frozen encoder, for the head that tags words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.nlu.model_files import find_model
from models.nlu.padded import PaddedTexts
from models.nlu.padding import check_padding, choose_padding
from models.nlu.text_network import load_projection, open_network
from models.nlu.token_limit import token_limit
from models.nlu.token_passes import (
    PreparedWindows,
    first_and_last,
    join_windows,
    prepare_windows,
    run_token_passes,
)
from models.nlu.windows import WindowTokenizer
from models.transfer import make_transfer

if TYPE_CHECKING:
    import torch

Floats = NDArray[np.float32]


class EntityEncoder:
    """Encodes texts of any length in overlapping windows. `prepare` is thread-safe."""

    def __init__(self, source: str, max_tokens: int, overlap: int, max_windows: int) -> None:
        """Check nothing, load nothing; see `WindowTokenizer` for the arguments."""
        self.source = source
        self._window = (max_tokens, overlap, max_windows)
        self._projection: torch.Tensor | None = None

    def load(self, device: str, layers: Sequence[int]) -> None:
        """Read tokenizer and weights.

        Args:
            device: `cpu` or `cuda:N`.
            layers: the hidden states to return, 0 being the embeddings.

        Raises:
            ModelError: the folder is no model, or has fewer layers.
        """
        files = find_model(self.source)
        files.config()
        folder = files.folder
        self._network = open_network(files, "encoder", device)
        self._network.check_layers(layers)
        config = self._network.config
        self._layers, self._device = tuple(layers), device
        max_tokens, overlap, max_windows = self._window
        limit = min(max_tokens, token_limit(config.to_dict()))
        self._tokenizer = WindowTokenizer(folder, limit, overlap, max_windows)
        self._transfer = make_transfer(device)
        self._pad_id = choose_padding(folder, config, self._tokenizer.tokenizer)
        check_padding(
            folder,
            self._tokenizer.tokenizer,
            self._pad_id,
            self._transfer,
            lambda passes: first_and_last(run_token_passes(passes, self._forward)),
        )
        self.fingerprint = files.fingerprint()

    def project(self, weights: Floats) -> None:
        """From now on return hidden states times `weights` (L * D, H), computed on the device.

        Raises:
            ModelError: the weights are for another size of hidden states.
        """
        self._projection = load_projection(
            weights, len(self._layers), self._network, self.source, self._device
        )

    def prepare(self, texts: Sequence[str]) -> PreparedWindows:
        """Tokenize B texts and upload them to the device."""
        return prepare_windows(self._tokenizer(texts), self._pad_id, self._transfer)

    def encode_prepared(self, prepared: PreparedWindows) -> list[Floats]:
        """Return (W, H) float32 for each good text: the mean over the tokens of each word."""
        good = [slot for slot in prepared.slots if not isinstance(slot, Exception)]
        rows = join_windows(prepared.slots, self._run(prepared.passes))
        return [word_means(row, text.words) for row, text in zip(rows, good, strict=True)]

    def close(self) -> None:
        """Free the weights and their memory on the device."""
        del self._network

    def _run(self, passes: Sequence[PaddedTexts]) -> list[Floats]:
        return run_token_passes(passes, self._forward)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        import torch

        hidden = self._network.hidden_states(ids, mask)
        states = torch.cat([hidden[layer] for layer in self._layers], dim=2)
        return states if self._projection is None else states @ self._projection


def word_means(rows: Floats, words: NDArray[np.intp]) -> Floats:
    """Return the mean (W, D) of each word's rows (n, D); `words` (n,) is each row's word."""
    firsts = np.flatnonzero(np.diff(words, prepend=-1))
    counts = np.diff(firsts, append=len(words))
    sums = np.add.reduceat(rows, firsts, axis=0)
    means: Floats = (sums / counts[:, np.newaxis]).astype(np.float32)
    return means
