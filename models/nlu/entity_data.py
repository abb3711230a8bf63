"""Read texts with tagged entities (CoNLL columns), and compare found entities with them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

#: (kind, first character, index behind the last), in code points of the text.
EntitySpan = tuple[str, int, int]

_DOCUMENT_START, _GZIP = "-DOCSTART-", b"\x1f\x8b"
#: Of BIO and BIOES -> of BIO.
_PREFIXES = {"B": "B", "I": "I", "S": "B", "E": "I"}


@dataclass(frozen=True)
class TaggedText:
    """A text and its entities."""

    text: str
    """The tokens of a post, joined by blanks."""
    entities: frozenset[EntitySpan]


def read_tagged(path: Path) -> list[TaggedText]:
    """Read CoNLL columns: a token first and its tag last on a line, an empty line after each text.

    Columns are separated by tabs, or by blanks if a line has no tab. Tags are BIO (or IOB1, or
    BIOES). The file may be gzipped; lines of `-DOCSTART-` are skipped.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line has no tag; the message names file and line.
    """
    texts, tokens = [], list[tuple[str, str]]()
    with _open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith(_DOCUMENT_START):
                tokens.append(_columns(line, f"{path}, line {number}"))
            elif tokens:
                texts.append(_joined(tokens))
                tokens = []
    return [*texts, _joined(tokens)] if tokens else texts


def _open_text(path: Path) -> TextIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
    opened: TextIO = (gzip.open if is_gzip else open)(path, "rt", encoding="utf-8")
    return opened


def _columns(line: str, where: str) -> tuple[str, str]:
    stripped = line.rstrip("\r\n")
    columns = stripped.split("\t") if "\t" in stripped else stripped.split()
    token, tag = columns[0].strip(), columns[-1].strip()
    if len(columns) < 2 or not token or not tag:
        raise ValueError(f"{where}: expected a token and its tag")
    prefix, _, kind = tag.partition("-")
    if tag != "O" and (prefix not in _PREFIXES or not kind):
        raise ValueError(f"{where}: the tag {tag!r} is not BIO: expected O, B-KIND or I-KIND")
    return token, tag if tag == "O" else f"{_PREFIXES[prefix]}-{kind}"


def _joined(tokens: Sequence[tuple[str, str]]) -> TaggedText:
    return TaggedText(" ".join(token for token, _ in tokens), frozenset(_entities(tokens)))


def _entities(tokens: Sequence[tuple[str, str]]) -> Iterator[EntitySpan]:
    start, place, kind, end = 0, 0, "", 0
    for token, tag in [*tokens, ("", "O")]:
        if kind and tag != f"I-{kind}":
            yield kind, start, end
            kind = ""
        if tag != "O" and not kind:
            kind, start = tag[2:], place
        end = place + len(token)
        place = end + 1


@dataclass(frozen=True)
class EntityScores:
    """Of exact matches: same kind, same first and last character."""

    precision: float
    recall: float
    f1: float


def rate_entities(
    found: Sequence[frozenset[EntitySpan]], truth: Sequence[frozenset[EntitySpan]]
) -> EntityScores:
    """Compare the entities of N texts, as conlleval does: over all texts together."""
    hits = sum(len(a & b) for a, b in zip(found, truth, strict=True))
    num_found, num_true = sum(map(len, found)), sum(map(len, truth))
    return EntityScores(
        hits / num_found if num_found else 0.0,
        hits / num_true if num_true else 0.0,
        2 * hits / (num_found + num_true) if num_found + num_true else 0.0,
    )
