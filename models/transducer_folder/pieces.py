"""The symbols of a public transducer: pieces of words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.base import ModelError

#: SentencePiece's mark of a piece that begins a word.
WORD_START = "\u2581"
_BLANKS = ("<blk>", "<blank>", "<eps>", "<b>")
_MAX_PIECES = 200_000


@dataclass(frozen=True)
class Pieces:
    """Symbols by number."""

    texts: tuple[str, ...]
    """What each adds to a text; a blank separates words. "" for those that are no text."""
    blank: int


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
    given = [found[number] for number in range(len(found))]
    blanks = [number for number, text in enumerate(given) if text.lower() in _BLANKS]
    return Pieces(tuple(map(_as_text, given)), blanks[0] if blanks else 0)


def _as_text(piece: str) -> str:
    if len(piece) > 2 and piece.startswith("<") and piece.endswith(">"):
        return ""  # <blk>, <unk>, <sos/eos>
    return piece.replace(WORD_START, " ")
