"""Texts of like length together, so that padding costs little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

#: A bucket's longest text has at most this share, and this many tokens, over its shortest: what
#: padding may cost in vain, against one more kernel launch for each bucket.
_SLACK_SHARE = 1.25
_SLACK_TOKENS = 4

#: Padded tokens in one forward pass, at most: bounds the activations' memory (attention aside,
#: about 40 KiB a token for a 384-wide BERT) however large the micro-batch is.
MAX_BUCKET_TOKENS = 16_384


def length_buckets(
    lengths: Sequence[int], max_bucket_tokens: int = MAX_BUCKET_TOKENS
) -> Iterator[NDArray[np.intp]]:
    """Yield the indices of texts to run together; each index once, by ascending length.

    Args:
        lengths: B token counts, >= 1.
        max_bucket_tokens: limit of rows times longest length; a single text may exceed it.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    start = 0
    for stop in range(1, len(order) + 1):
        if stop == len(order) or _is_full(lengths, order, start, stop, max_bucket_tokens):
            yield order[start:stop]
            start = stop


def _is_full(
    lengths: Sequence[int], order: NDArray[np.intp], start: int, stop: int, limit: int
) -> bool:
    """Tell whether text `stop` no longer fits the bucket that begins at `start`."""
    shortest, longest = lengths[order[start]], lengths[order[stop]]
    too_long = longest > _SLACK_SHARE * shortest + _SLACK_TOKENS
    return bool(too_long) or (stop - start + 1) * longest > limit


def pad(
    tokens: Sequence[Sequence[int]], pad_id: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ids and attention mask, both (B, longest) int64; the mask is 1 on real tokens."""
    longest = max(map(len, tokens))
    ids = np.full((len(tokens), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, token_ids in enumerate(tokens):
        ids[row, : len(token_ids)] = token_ids
        mask[row, : len(token_ids)] = 1
    return ids, mask
