"""Read texts with tagged entities (CoNLL columns), and compare found entities with them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: (kind, first character, index behind the last), in code points of the text.
EntitySpan = tuple[str, int, int]


@dataclass(frozen=True)
class TaggedText:
    """A text and its entities."""

    text: str
    """The tokens of a post, joined by blanks."""
    entities: frozenset[EntitySpan]


def read_tagged(path: Path) -> list[TaggedText]:
    """Read a gzip file of lines `token TAB tag` (BIO), with an empty line after each text.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line has no tag; the message names file and line.
    """
    texts, tokens = [], list[tuple[str, str]]()
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            token, _, tag = line.rstrip("\n").partition("\t")
            if token.strip() and not tag:
                raise ValueError(f"{path}, line {number}: expected `token TAB tag`")
            if token.strip():
                tokens.append((token, tag))
            elif tokens:
                texts.append(_joined(tokens))
                tokens = []
    return [*texts, _joined(tokens)] if tokens else texts


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
