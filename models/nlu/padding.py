"""Choose the token that fills short texts of a batch, and check that no answer depends on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.padded import PaddedTexts, pad
from models.nlu.tokenizer import Tokenizer, Tokens
from models.transfer import Transfer
from schemas import InputError

#: Another batch shape sums float32 in another order; padding that is read changes far more.
_TOLERANCE = 1e-3
_PROBES = ("hello", "where is my order, please? I have been waiting for it since Monday")


def choose_padding(folder: Path, config: Any, tokenizer: Tokenizer) -> int:
    """Return the padding token's id, and write it to a config that has none.

    The config's token comes first: decoders take the last token that is not this one as the end
    of a text, and RoBERTa gives it no position. If neither config nor tokenizer names a token, it
    is a control token that is in no text.

    Args:
        folder: for the message.
        config: of the loaded model.
        tokenizer: of the same folder.

    Raises:
        ModelError: there is no such token.
    """
    text_config = config.get_text_config()
    named = text_config.pad_token_id
    if isinstance(named, int) and 0 <= named < text_config.vocab_size:
        return named
    candidates = [*tokenizer.padding_candidates]
    if not candidates:
        raise ModelError(
            f"{folder} names no padding token, and its tokenizer has no control token that could "
            "be one: set pad_token_id in config.json to the id that the model was trained with"
        )
    text_config.pad_token_id = candidates[0]
    return candidates[0]


def check_padding(
    folder: Path,
    tokenizer: Tokenizer,
    pad_id: int,
    transfer: Transfer,
    run: Callable[[Sequence[PaddedTexts]], NDArray[np.float32]],
) -> None:
    """Check that a short text beside a long one is answered as alone.

    Args:
        folder: for the message.
        tokenizer: of the model.
        pad_id: the padding token.
        transfer: to the model's device.
        run: returns (N, D) for the N texts of some passes.

    Raises:
        ModelError: the answers differ, or the model can't read two texts at once.
    """
    tokens = [ids for ids in tokenizer(_PROBES) if not isinstance(ids, InputError)]
    if len(tokens) < 2:
        return
    alone = [run([_one_pass([ids], pad_id, transfer)]) for ids in tokens]
    try:
        together = run([_one_pass(tokens, pad_id, transfer)])
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{folder} can't answer two texts in one call: {reason}") from error
    expected = np.concatenate(alone)
    limit = _TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not np.abs(together - expected).max() <= limit:
        raise ModelError(
            f"{folder}: a text's answer depends on the texts beside it in a batch, so padding is "
            "read as text: check pad_token_id in config.json (some models need padding on the "
            "left, which is not supported); or the ONNX file has dynamic int8 quantization, whose "
            "scales are those of the whole batch"
        )


def _one_pass(tokens: Sequence[Tokens], pad_id: int, transfer: Transfer) -> PaddedTexts:
    ids, mask = pad(tokens, pad_id)
    return PaddedTexts(np.arange(len(tokens)), transfer.upload(ids), transfer.upload(mask))
