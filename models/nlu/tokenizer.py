"""Convert texts to token ids, on any thread."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.base import ModelError
from schemas import InputError

#: Texts are cut to this many characters for each token before tokenizing. WordPiece and BPE tokens
#: have 4-5 characters in prose, so the cut only saves the time to tokenize what is cut anyway.
_CHARS_PER_TOKEN = 32

_BLANKS = re.compile(r"\s{2,}")
#: Most texts are known to show something by these characters.
_FIRST_CHARS = 16
#: Unicode categories of characters that show nothing: control, format, unassigned, separators.
_INVISIBLE = {"Cc", "Cf", "Cn", "Zs", "Zl", "Zp"}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_FEWEST_TOKENS = 8

Tokens = list[int]

NOTHING_TO_READ = "the text has nothing that the model reads: only blanks or invisible characters"


class CutTokens(Tokens):
    """The token ids of a text that was longer than the model reads: only its beginning."""


def check_max_tokens(max_tokens: int) -> None:
    """Raise `ValueError` if the limit is out of range."""
    if not _FEWEST_TOKENS <= max_tokens <= 4096:
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
        _require_sentencepiece(folder)
        wrapper = _read(folder)
        self.backend: Any = getattr(wrapper, "backend_tokenizer", None)
        if self.backend is None:
            raise ModelError(f"{folder} has no fast tokenizer: expected a tokenizer.json")
        self.backend.no_padding()
        # A tokenizer without its own limit has one of 1e30.
        max_tokens = int(min(max_tokens, max(wrapper.model_max_length, _FEWEST_TOKENS)))
        self._keeps_end = wrapper.truncation_side == "left"
        self.backend.enable_truncation(max_tokens, direction=wrapper.truncation_side)
        # What looks like a control token in a text, such as "[SEP]", is text.
        self.backend.encode_special_tokens = True
        self._max_chars = max_tokens * _CHARS_PER_TOKEN
        frame = self.backend.encode("")
        if any(frame.type_ids):
            raise ModelError(
                f"{folder}: its tokenizer marks control tokens with token_type_ids, which are not "
                "passed on: the answers would be wrong"
            )
        self._num_special = len(frame.ids)
        self.max_tokens = max_tokens
        self.padding_candidates = _padding_candidates(wrapper, frame.ids)

    def __call__(self, texts: Sequence[str]) -> list[Tokens | InputError]:
        """Return the ids of B texts, 2 <= n <= max_tokens each (not padded), or a text's error.

        The ids of a text that was cut are `CutTokens`. A text of which no token is left, such as
        one of blanks, is an error.
        """
        read = [self._cut(text) for text in texts]
        try:
            encodings = self.backend.encode_batch([text for text, _ in read])
        except (TypeError, ValueError):  # some text is bad: find out which
            return [self._encode_one(*text) for text in read]
        return [self._checked(e, *text) for e, text in zip(encodings, read, strict=True)]

    def shortens(self, text: str) -> bool:
        """Whether a text is shortened before it is tokenized."""
        return len(text) > self._max_chars

    def _cut(self, text: str) -> tuple[str, bool]:
        """Shorten a long text, and say whether that lost more than blanks."""
        if not self.shortens(text):
            return text, False
        dense = _BLANKS.sub(" ", text.strip())
        kept = dense[-self._max_chars :] if self._keeps_end else dense[: self._max_chars]
        return kept, len(dense) > self._max_chars

    def _encode_one(self, text: str, is_cut: bool) -> Tokens | InputError:
        try:
            encoding = self.backend.encode(text)
        except (TypeError, ValueError) as error:
            return InputError(f"the text is not valid Unicode (lone surrogates?): {error}")
        return self._checked(encoding, text, is_cut)

    def _checked(self, encoding: Any, text: str, is_cut: bool) -> Tokens | InputError:
        ids: Tokens = encoding.ids
        if len(ids) <= self._num_special or is_blank(text):
            return InputError(NOTHING_TO_READ)
        return CutTokens(ids) if is_cut or encoding.overflowing else ids


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: some tokenizers have tokens for blanks."""
    if any(map(str.isalnum, text[:_FIRST_CHARS])):
        return False
    return all(c == _REPLACEMENT or unicodedata.category(c) in _INVISIBLE for c in text)


def _padding_candidates(wrapper: Any, frame: Sequence[int]) -> list[int]:
    """Return the ids that can pad a text: the padding token, else tokens that no text contains.

    Args:
        wrapper: the transformers tokenizer.
        frame: ids of the control tokens that stand around each text.
    """
    if wrapper.pad_token_id is not None:
        return [wrapper.pad_token_id]
    return [token_id for token_id in wrapper.all_special_ids if token_id not in frame]


def _require_sentencepiece(folder: Path) -> None:
    """Raise `ModelError` if the tokenizer is a SentencePiece file that nothing here can read."""
    files = sorted(path.name for path in folder.glob("*.model"))
    if files and not (folder / "tokenizer.json").is_file() and find_spec("sentencepiece") is None:
        raise ModelError(
            f"{folder} has {files[0]} and no tokenizer.json, and the package that reads it is not "
            "installed: pip install 'penstock[sentencepiece]', or add the tokenizer.json that "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes"
        )


def _read(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_fast=True
        )
    except Exception as error:  # OSError, ValueError, KeyError, or Exception from Rust
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(f"no usable tokenizer in {folder}: {reason}") from error
