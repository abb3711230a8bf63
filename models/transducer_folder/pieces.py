"""The symbols of a public transducer: pieces of words, and how words come out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from models.base import ModelError

#: SentencePiece's mark of a piece that begins a word.
WORD_START = "\u2581"
_BLANKS = ("<blk>", "<blank>", "<eps>", "<b>")
_MAX_PIECES = 200_000


class TimedWord(NamedTuple):
    """A word, and the first and last frame in which one of its pieces came."""

    word: str
    first_frame: int
    last_frame: int


@dataclass(frozen=True)
class Pieces:
    """Symbols by number."""

    texts: tuple[str, ...]
    blank: int

    def words(self, symbols: Sequence[int], frames: Sequence[int]) -> list[TimedWord]:
        """Return the words that symbols spell, with the frames in which these came.

        A piece with `WORD_START` begins a word, and so does a blank before or within a piece; a
        Chinese, Japanese or Korean character is a word. Pieces such as `<unk>` are left out.
        """
        words: list[TimedWord] = []
        is_open = False
        for symbol, frame in zip(symbols, frames, strict=True):
            text = self.texts[symbol].replace(WORD_START, " ")
            if text.startswith("<") and text.endswith(">"):
                continue
            for number, part in enumerate(text.split(" ")):
                is_open = is_open and not number
                if not part:
                    continue
                if is_open and not _stands_alone(part):
                    last = words[-1]
                    words[-1] = TimedWord(last.word + part, last.first_frame, frame)
                else:
                    words.append(TimedWord(part, frame, frame))
                is_open = not _stands_alone(part)
        return words


def read_pieces(path: Path) -> Pieces:
    """Read tokens.txt: a line for each symbol, its text and its number.

    Raises:
        ModelError: the file can't be read, or a line is not of that form; the message names it.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"can't read {path}: {error}") from error
    found: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        text, _, symbol = line.rpartition(" ")
        if not symbol.strip().isascii() or not symbol.strip().isdecimal():
            if line.strip():
                raise ModelError(f"{path}, line {number}: expected a symbol, a blank, its number")
            continue
        found[int(symbol)] = text or " "
    if not found or len(found) > _MAX_PIECES or sorted(found) != list(range(len(found))):
        raise ModelError(f"{path}: expected symbols numbered from 0 without a gap")
    texts = tuple(found[number] for number in range(len(found)))
    blanks = [number for number, text in enumerate(texts) if text.lower() in _BLANKS]
    return Pieces(texts, blanks[0] if blanks else 0)


def _stands_alone(text: str) -> bool:
    """Return whether a text is one character of a script without spaces between words."""
    return (len(text) == 1 and "\u2e80" <= text <= "\u9fff") or "\uac00" <= text <= "\ud7af"
