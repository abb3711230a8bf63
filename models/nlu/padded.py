"""Group tokenized texts of similar length, pad them, and run them through a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.nlu.tokenizer import Tokens
from models.transfer import DeviceArray, Transfer
from schemas import InputError

if TYPE_CHECKING:
    import torch

#: A forward pass: token ids and attention mask, (b, T) int64 each, to (b, D).
Forward = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]


#: A group's longest text has at most this many times the tokens of its shortest, plus this many
#: tokens: a balance of wasted padding against one more kernel launch for each group.
_SLACK_SHARE = 1.25
_SLACK_TOKENS = 4

#: The most padded tokens in one forward pass. Limits the memory of activations (about 40 KiB a
#: token for a 384-wide BERT, without attention), however large the micro-batch is.
MAX_PASS_TOKENS = 16_384


@dataclass(frozen=True)
class PaddedTexts:
    """Some texts of a batch, padded for one forward pass."""

    indices: NDArray[np.intp]
    """(b,) their positions among the batch's good texts."""
    ids: DeviceArray
    """(b, T) int64."""
    mask: DeviceArray
    """(b, T) int64, 1 on real tokens."""


@dataclass(frozen=True)
class PreparedTexts:
    """B texts after tokenizing."""

    slots: list[Tokens | InputError]
    """(B,) each text's tokens, or its error."""
    passes: list[PaddedTexts]
    """The good texts, each in one pass."""


def prepare_texts(
    slots: list[Tokens | InputError], pad_id: int, transfer: Transfer
) -> PreparedTexts:
    """Pad tokenized texts and upload them to the device."""
    good = [tokens for tokens in slots if not isinstance(tokens, InputError)]
    return PreparedTexts(slots, send_padded(good, pad_id, transfer))


def send_padded(tokens: Sequence[Tokens], pad_id: int, transfer: Transfer) -> list[PaddedTexts]:
    """Group texts by length, pad them, and upload them to the device."""
    passes = []
    for indices in group_by_length([len(ids) for ids in tokens]):
        ids, mask = pad([tokens[i] for i in indices], pad_id)
        passes.append(PaddedTexts(indices, transfer.upload(ids), transfer.upload(mask)))
    return passes


def run_passes(passes: Sequence[PaddedTexts], forward: Forward) -> NDArray[np.float32]:
    """Return (N, D) float32 for N >= 1 texts, in their order.

    The host waits once, at the end, so that a GPU runs all passes without a pause between them.
    """
    import torch

    with torch.inference_mode():
        parts = [forward(texts.ids.tensor(), texts.mask.tensor()) for texts in passes]
        rows = torch.cat(parts).float().cpu().numpy()
    ordered = np.empty_like(rows)
    ordered[np.concatenate([texts.indices for texts in passes])] = rows
    return ordered


def group_by_length(
    lengths: Sequence[int], max_pass_tokens: int = MAX_PASS_TOKENS
) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of texts for each forward pass, by ascending length.

    Args:
        lengths: B token counts, >= 1.
        max_pass_tokens: limit of texts times longest length; a single text may exceed it.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or _is_full(lengths, order, start, stop, max_pass_tokens):
            yield order[start:stop]
            start = stop


def _is_full(
    lengths: Sequence[int], order: NDArray[np.intp], start: int, stop: int, limit: int
) -> bool:
    """Return whether text `stop` does not fit the group that begins at `start`."""
    shortest, longest = lengths[order[start]], lengths[order[stop]]
    too_long = longest > _SLACK_SHARE * shortest + _SLACK_TOKENS
    return bool(too_long) or (stop - start + 1) * longest > limit


def pad(
    tokens: Sequence[Sequence[int]], pad_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pad texts; return ids and attention mask (B, longest) int64, the mask 1 on real tokens."""
    longest = max(map(len, tokens))
    ids = np.full((len(tokens), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, token_ids in enumerate(tokens):
        ids[row, : len(token_ids)] = token_ids
        mask[row, : len(token_ids)] = 1
    return ids, mask
