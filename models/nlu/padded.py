"""Tokenized texts as a network takes them: of like length together, padded, sent to its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.nlu.buckets import length_buckets, pad
from models.nlu.tokenizer import Tokens
from models.transfer import DeviceArray, Transfer
from schemas import InputError

if TYPE_CHECKING:
    import torch

#: A forward pass: token ids and attention mask, (b, T) int64 each, to (b, D).
Forward = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class PaddedTexts:
    """Some of a batch's texts, for one forward pass."""

    indices: NDArray[np.intp]
    """(b,) their places among the batch's good texts."""
    ids: DeviceArray
    """(b, T) int64."""
    mask: DeviceArray
    """(b, T) int64, 1 on real tokens."""


@dataclass(frozen=True)
class PreparedTexts:
    """B texts after tokenizing."""

    slots: list[Tokens | InputError]
    """(B,) a good text's tokens, or why a text has none."""
    passes: list[PaddedTexts]
    """Every good text, in one of them."""


def prepare_texts(
    slots: list[Tokens | InputError], pad_id: int, transfer: Transfer
) -> PreparedTexts:
    """Pad what was tokenized and send it to the device."""
    good = [tokens for tokens in slots if not isinstance(tokens, InputError)]
    return PreparedTexts(slots, send_padded(good, pad_id, transfer))


def send_padded(tokens: Sequence[Tokens], pad_id: int, transfer: Transfer) -> list[PaddedTexts]:
    """Pad texts, of like length together, and send them to the device."""
    passes = []
    for indices in length_buckets([len(ids) for ids in tokens]):
        ids, mask = pad([tokens[i] for i in indices], pad_id)
        passes.append(PaddedTexts(indices, transfer.upload(ids), transfer.upload(mask)))
    return passes


def run_passes(passes: Sequence[PaddedTexts], forward: Forward) -> NDArray[np.float32]:
    """Return (N, D) float32 for N >= 1 texts, in their order.

    The host waits once, at the end: a GPU is given all passes without a pause between them.
    """
    import torch

    with torch.inference_mode():
        parts = [forward(texts.ids.tensor(), texts.mask.tensor()) for texts in passes]
        rows = torch.cat(parts).float().cpu().numpy()
    found = np.empty_like(rows)
    found[np.concatenate([texts.indices for texts in passes])] = rows
    return found
