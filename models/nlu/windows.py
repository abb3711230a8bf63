"""Tokenize texts of any length as overlapping windows, with the place of each token in the text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.nlu.tags import Span
from models.nlu.tokenizer import NOTHING_TO_READ, Tokenizer, Tokens, is_blank
from schemas import InputError


@dataclass(frozen=True)
class Window:
    """A part of a text that a network reads in one pass."""

    ids: Tokens
    """Its token ids, including control tokens."""
    kept: tuple[int, int]
    """Its tokens whose answers count, [first, end): in an overlap each token is answered by the
    window in which it has more context."""


@dataclass(frozen=True)
class WindowedText:
    """A text after tokenizing."""

    text: str
    windows: list[Window]
    spans: list[Span]
    """(n,) of the kept tokens of all windows: the indices of each one's first character and behind
    its last, in code points of the original text."""
    words: NDArray[np.intp]
    """(n,) the word that each token belongs to, ascending from 0."""
    is_truncated: bool
    """Whether the text needs more windows than allowed."""

    @property
    def is_whole(self) -> bool:
        """Whether all of the text is in one window."""
        return len(self.windows) == 1 and not self.is_truncated

    def word_spans(self) -> list[Span]:
        """Return the span of each word."""
        firsts = np.flatnonzero(np.diff(self.words, prepend=-1))
        lasts = [*(firsts[1:] - 1).tolist(), len(self.words) - 1]
        return [
            (self.spans[first][0], self.spans[last][1])
            for first, last in zip(firsts.tolist(), lasts, strict=True)
        ]


class WindowTokenizer:
    """Thread-safe, as `Tokenizer`."""

    def __init__(self, folder: Path, max_tokens: int, overlap: int, max_windows: int) -> None:
        """Read the tokenizer in `folder`.

        Args:
            folder: see `Tokenizer`.
            max_tokens: the most tokens of a window, including control tokens.
            overlap: tokens that a window shares with the next; at most half a window is used.
            max_windows: a text that needs more is cut.

        Raises:
            ModelError: see `Tokenizer`.
        """
        self.tokenizer = Tokenizer(folder, max_tokens)
        self._rust = self.tokenizer.backend
        room = self.tokenizer.max_tokens - len(self._rust.encode("").ids)
        self._overlap = min(overlap, room // 2)
        self._rust.enable_truncation(self.tokenizer.max_tokens, stride=self._overlap)
        self._max_windows = max_windows

    def __call__(self, texts: Sequence[str]) -> list[WindowedText | InputError]:
        """Return the windows of B texts, or a text's error."""
        try:
            encodings = self._rust.encode_batch(list(texts))
        except (TypeError, ValueError):  # some text is bad: find out which
            return [self._encode_one(text) for text in texts]
        return [self._windowed(text, e) for text, e in zip(texts, encodings, strict=True)]

    def _encode_one(self, text: str) -> WindowedText | InputError:
        try:
            return self._windowed(text, self._rust.encode(text))
        except (TypeError, ValueError) as error:
            return InputError(f"the text is not valid Unicode (lone surrogates?): {error}")

    def _windowed(self, text: str, encoding: Any) -> WindowedText | InputError:
        parts = [encoding, *encoding.overflowing]
        chosen = parts[: self._max_windows]
        windows: list[Window] = []
        spans: list[Span] = []
        words: list[object] = []
        for index, part in enumerate(chosen):
            content = np.flatnonzero(np.asarray(part.special_tokens_mask) == 0)
            if not len(content):
                continue
            first, end = int(content[0]), int(content[-1]) + 1
            # Both windows leave out their half of an overlap: the tokens next to an edge.
            first += self._overlap // 2 if index else 0
            end -= self._overlap - self._overlap // 2 if index + 1 < len(chosen) else 0
            windows.append(Window(part.ids, (first, end)))
            spans += part.offsets[first:end]
            words += part.word_ids[first:end]
        if not spans or is_blank(text):
            return InputError(NOTHING_TO_READ)
        return WindowedText(text, windows, spans, _number(words), len(parts) > len(chosen))


def _number(words: Sequence[object]) -> NDArray[np.intp]:
    """Number the words of tokens from 0; a token that belongs to none is a word."""
    is_new = [
        index == 0 or word is None or word != words[index - 1] for index, word in enumerate(words)
    ]
    return np.cumsum(is_new, dtype=np.intp) - 1
