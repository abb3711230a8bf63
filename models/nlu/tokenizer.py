"""Convert texts to token ids, on any thread."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from schemas import InputError

#: Texts are cut to this many characters for each token before tokenizing. WordPiece and BPE tokens
#: have 4-5 characters in prose, so the cut only saves the time to tokenize what is cut anyway.
_CHARS_PER_TOKEN = 32

Tokens = list[int]


def check_max_tokens(max_tokens: int) -> None:
    """Raise `ValueError` if the limit is out of range."""
    if not 8 <= max_tokens <= 4096:
        raise ValueError(f"max_tokens is {max_tokens}: expected 8 to 4096")


class Tokenizer:
    """A transformers fast tokenizer with a fixed truncation.

    Thread-safe: it calls the underlying Rust tokenizer, whose `encode_batch` changes nothing.
    (transformers' `__call__` sets truncation and padding on each call, and fails with
    "RuntimeError: Already borrowed" if two threads are in it.)
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        """Read the tokenizer in `folder`.

        Args:
            folder: contains tokenizer.json, or files that transformers can convert (vocab.txt).
            max_tokens: longer texts are cut to this many tokens, including special tokens.

        Raises:
            ModelError: the folder has no tokenizer, or only one in Python, which is slow.
        """
        wrapper = _read(folder)
        self._rust: Any = getattr(wrapper, "backend_tokenizer", None)
        if self._rust is None:
            raise ModelError(f"{folder} has no fast tokenizer: expected a tokenizer.json")
        self._rust.no_padding()
        self._rust.enable_truncation(max_tokens)
        self._max_chars = max_tokens * _CHARS_PER_TOKEN
        self.pad_id: int = wrapper.pad_token_id or 0

    def __call__(self, texts: Sequence[str]) -> list[Tokens | InputError]:
        """Return the ids of B texts, 2 <= n <= max_tokens each (not padded), or a text's error."""
        cut = [text[: self._max_chars] for text in texts]
        try:
            return [encoding.ids for encoding in self._rust.encode_batch(cut)]
        except (TypeError, ValueError):  # some text is bad: find out which
            return [self._encode_one(text) for text in cut]

    def _encode_one(self, text: str) -> Tokens | InputError:
        try:
            ids: Tokens = self._rust.encode(text).ids
        except (TypeError, ValueError) as error:
            return InputError(f"the text is not valid Unicode (lone surrogates?): {error}")
        return ids


def _read(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # OSError, ValueError, KeyError, or Exception from Rust
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(f"no usable tokenizer in {folder}: {reason}") from error
