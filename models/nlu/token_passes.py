"""Run the windows of texts through a network that answers each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.nlu.padded import Forward, PaddedTexts, send_padded
from models.nlu.windows import WindowedText
from models.transfer import Transfer
from schemas import InputError


@dataclass(frozen=True)
class PreparedWindows:
    """B texts after tokenizing."""

    slots: list[WindowedText | InputError]
    """(B,) each text's windows, or its error."""
    passes: list[PaddedTexts]
    """The windows of all good texts, each in one pass."""


def prepare_windows(
    slots: list[WindowedText | InputError], pad_id: int, transfer: Transfer
) -> PreparedWindows:
    """Pad the windows of texts and upload them to the device."""
    tokens = [
        window.ids for slot in slots if not isinstance(slot, InputError) for window in slot.windows
    ]
    return PreparedWindows(slots, send_padded(tokens, pad_id, transfer))


def run_token_passes(passes: Sequence[PaddedTexts], forward: Forward) -> list[NDArray[np.float32]]:
    """Return (T, D) float32 for each of the N sequences of some passes, in their order.

    Args:
        passes: of padded sequences; T is a sequence's number of tokens without padding.
        forward: returns (b, T, D) for ids and mask. As in `run_passes`, the host waits once.
    """
    import torch

    with torch.inference_mode():
        outputs = [forward(p.ids.tensor(), p.mask.tensor()) for p in passes]
        lengths = [p.mask.tensor().sum(dim=1) for p in passes]
        arrays = [output.float().cpu().numpy() for output in outputs]
        counts = [length.cpu().tolist() for length in lengths]
    rows: dict[int, NDArray[np.float32]] = {}
    for texts, array, numbers in zip(passes, arrays, counts, strict=True):
        for index, row, count in zip(texts.indices.tolist(), array, numbers, strict=True):
            rows[index] = row[:count]
    return [rows[index] for index in range(len(rows))]


def join_windows(
    slots: Sequence[WindowedText | InputError], rows: Sequence[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """Return the answers (n, D) of the n kept tokens of each good text."""
    remaining = iter(rows)
    return [
        np.concatenate([next(remaining)[slice(*window.kept)] for window in slot.windows])
        for slot in slots
        if not isinstance(slot, InputError)
    ]


def first_and_last(rows: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the answers of the first and last token of N sequences, (N, 2 D)."""
    return np.stack([np.concatenate([row[0], row[-1]]) for row in rows])
