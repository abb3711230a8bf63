"""Texts to token ids, from many threads at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.base import ModelError
from schemas import InputError

#: Characters read per wanted token, at least. WordPiece and BPE average 4-5 in real prose, so the
#: cut loses nothing but the time that a 100,000-character text would take to tokenize in vain.
_CHARS_PER_TOKEN = 32

Tokens = list[int]


def check_max_tokens(max_tokens: int) -> None:
    """Raise `ValueError` if no encoder could work with that limit."""
    if not 8 <= max_tokens <= 4096:
        raise ValueError(f"max_tokens is {max_tokens}: expected 8 to 4096")


class Tokenizer:
    """A transformers fast tokenizer, with truncation set once.

    Thread-safe: it calls the Rust tokenizer beneath, whose `encode_batch` changes nothing.
    (transformers' own `__call__` sets truncation and padding anew on each call, and two threads
    in it at once meet as "RuntimeError: Already borrowed".)
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        """Read the tokenizer of `folder`.

        Args:
            folder: with tokenizer.json, or what transformers can make one of (vocab.txt).
            max_tokens: longer texts are cut to this many, special tokens included.

        Raises:
            ModelError: no tokenizer there, or only one in Python, which is slow.
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
        """Return B lists of 2 <= n <= max_tokens ids (not padded), or why a text has none."""
        cut = [text[: self._max_chars] for text in texts]
        try:
            return [encoding.ids for encoding in self._rust.encode_batch(cut)]
        except (TypeError, ValueError):  # somewhere in the batch: find out where
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
    except Exception as error:  # OSError, ValueError, KeyError or the Rust side's bare Exception
        first = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(f"no usable tokenizer in {folder}: {first}") from error
