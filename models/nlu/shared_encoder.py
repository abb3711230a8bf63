"""One pass of an encoder for all heads: sentence vectors, and hidden states of tokens.

A text's first window is what a sentence encoder reads of it, so both come from the same pass. Where
it is not (a tokenizer that keeps the end of long texts), the sentence is a further sequence of the
batch, not a further pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from models.nlu.encoder import EncoderSettings, pool
from models.nlu.entity_encoder import Floats, word_means
from models.nlu.model_files import find_model
from models.nlu.padded import PaddedTexts, send_padded
from models.nlu.padding import check_padding, choose_padding
from models.nlu.sentence_folder import read_pooling
from models.nlu.text_network import load_projection, open_network
from models.nlu.token_limit import token_limit
from models.nlu.token_passes import join_windows
from models.nlu.tokenizer import CutTokens, Tokenizer, Tokens
from models.nlu.windows import WindowedText, WindowTokenizer
from models.transfer import make_transfer
from schemas import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SharedText:
    """A text after tokenizing."""

    windowed: WindowedText
    is_cut: bool
    """Whether the sentence vector is about a part of the text."""


@dataclass(frozen=True)
class PreparedShared:
    """B texts after tokenizing and padding."""

    slots: list[SharedText | InputError]
    """(B,) each text, or its error."""
    passes: list[PaddedTexts]
    """Windows of all good texts, then the sentences that are no window; each in one pass."""
    sentences: list[int]
    """For each good text, the number of its sentence among the sequences of the passes."""


class SharedEncoder:
    """`prepare` is thread-safe, the rest is not."""

    def __init__(self, source: str, max_tokens: int, overlap: int, max_windows: int) -> None:
        """Check nothing, load nothing; see `WindowTokenizer` for the arguments."""
        self.source = source
        self._window = (max_tokens, overlap, max_windows)
        self._layers: tuple[int, ...] = ()
        self._projection: torch.Tensor | None = None

    def load(self, device: str, settings: EncoderSettings | None, layers: Sequence[int]) -> None:
        """Read tokenizer and weights.

        Args:
            device: `cpu` or `cuda:N`.
            settings: pooling and normalization of the sentence vectors; None: unit length, and
                pooling as the folder says.
            layers: the hidden states that the entity head reads, 0 being the embeddings; empty:
                there is none.

        Raises:
            ModelError: the folder is no model, or has fewer layers.
        """
        files = find_model(self.source)
        files.config()
        folder = files.folder
        wanted = settings or EncoderSettings("", read_pooling(folder), True)
        self.settings = replace(wanted, fingerprint=files.fingerprint())
        self._device, self._layers = device, tuple(layers)
        self._network = open_network(files, "encoder", device)
        if layers:
            self._network.check_layers(layers)
        config = self._network.config
        max_tokens, overlap, max_windows = self._window
        limit = min(max_tokens, token_limit(config.to_dict()))
        self._windows = WindowTokenizer(folder, limit, overlap, max_windows)
        self._tokenizer = Tokenizer(folder, limit)
        self._transfer = make_transfer(device)
        self._pad_id = choose_padding(folder, config, self._tokenizer)
        check_padding(folder, self._tokenizer, self._pad_id, self._transfer, self._vectors)

    def project(self, weights: Floats) -> None:
        """From now on return hidden states times `weights` (L * D, H), computed on the device.

        Raises:
            ModelError: the weights are for another size of hidden states.
        """
        self._projection = load_projection(
            weights, len(self._layers), self._network, self.source, self._device
        )

    def prepare(self, texts: Sequence[str]) -> PreparedShared:
        """Tokenize B texts and upload them to the device."""
        slots: list[SharedText | InputError] = []
        sequences: list[Tokens] = []
        sentences: list[int] = []
        further: list[tuple[int, Tokens]] = []
        for text, windowed in zip(texts, self._windows(texts), strict=True):
            if isinstance(windowed, InputError):
                slots.append(windowed)
                continue
            sentence = self._sentence(text, windowed)
            if isinstance(sentence, InputError):
                slots.append(sentence)
                continue
            if sentence != windowed.windows[0].ids:
                further.append((len(sentences), sentence))
            sentences.append(len(sequences))
            sequences += [window.ids for window in windowed.windows]
            slots.append(SharedText(windowed, isinstance(sentence, CutTokens)))
        for index, sentence in further:
            sentences[index] = len(sequences)
            sequences.append(sentence)
        return PreparedShared(
            slots, send_padded(sequences, self._pad_id, self._transfer), sentences
        )

    def encode(self, prepared: PreparedShared) -> tuple[Floats, list[Floats]]:
        """Run the network once over all sequences.

        Returns:
            Sentence vectors (N, D) of the N good texts; and for each (W, H): the mean over the
            tokens of each of its words, or nothing without an entity head.
        """
        good = [slot.windowed for slot in prepared.slots if isinstance(slot, SharedText)]
        if not good:
            return np.empty((0, int(self._network.config.hidden_size)), np.float32), []
        vectors, states = self._run(prepared.passes)
        words: list[Floats] = []
        if self._layers:
            tokens = join_windows(good, states)
            words = [word_means(row, text.words) for row, text in zip(tokens, good, strict=True)]
        return vectors[prepared.sentences], words

    def close(self) -> None:
        """Free the weights and their memory on the device."""
        del self._network

    def _sentence(self, text: str, windowed: WindowedText) -> Tokens | InputError:
        """Return what a sentence encoder reads of a text."""
        if windowed.is_whole and not self._tokenizer.shortens(text):
            return windowed.windows[0].ids
        (sentence,) = self._tokenizer([text])
        return sentence

    def _vectors(self, passes: Sequence[PaddedTexts]) -> Floats:
        return self._run(passes)[0]

    def _run(self, passes: Sequence[PaddedTexts]) -> tuple[Floats, list[Floats]]:
        """Return vectors (S, D) of S sequences, and the states (T, H) of each one's T tokens."""
        import torch

        with torch.inference_mode():
            outputs = [self._forward(p.ids.tensor(), p.mask.tensor()) for p in passes]
            vectors = torch.cat([vector for vector, _ in outputs]).float().cpu().numpy()
            arrays = [None if s is None else s.float().cpu().numpy() for _, s in outputs]
            lengths = [p.mask.tensor().sum(dim=1).cpu().tolist() for p in passes]
        order = np.concatenate([texts.indices for texts in passes])
        ordered = np.empty_like(vectors)
        ordered[order] = vectors
        states: dict[int, Floats] = {}
        for texts, array, counts in zip(passes, arrays, lengths, strict=True):
            if array is not None:
                for index, row, count in zip(texts.indices.tolist(), array, counts, strict=True):
                    states[index] = row[:count]
        return ordered, [states[index] for index in range(len(states))]

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        import torch

        if not self._layers:
            return pool(self._network(ids, mask), mask, self.settings), None
        hidden = self._network.hidden_states(ids, mask)
        states = torch.cat([hidden[layer] for layer in self._layers], dim=2)
        if self._projection is not None:
            states = states @ self._projection
        return pool(hidden[-1], mask, self.settings), states
