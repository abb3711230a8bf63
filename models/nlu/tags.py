"""Convert tags of words to entities: the tag schemes BIO, IOB, BILOU, BIOES and IO.

Source: Ratinov and Roth, 2009, "Design Challenges and Misconceptions in Named Entity Recognition",
CoNLL. Sequences that a scheme does not allow are read leniently, as by conlleval: an `I-` tag after
another kind begins an entity.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.nlu.answers import DECIMALS
from schemas.nlu import Entity

_PREFIXED = re.compile(r"([BILUES])[-_](.+)")
_BEGINS = {"B", "U", "S"}
_ENDS = {"L", "U", "E", "S"}

Span = tuple[int, int]


@dataclass(frozen=True)
class Tag:
    """The meaning of one label of a token classifier."""

    kind: str
    """Kind of entity; "" outside of entities."""
    begins: bool = False
    """Whether it begins an entity even after a word of the same kind."""
    ends: bool = False
    """Whether the entity ends with this word."""


def parse_tags(labels: Sequence[str], outside: str = "O") -> list[Tag]:
    """Return the meaning of each label.

    Args:
        labels: of the model, in the order of its outputs. If all but `outside` have one of the
            prefixes B, I, L, U, E or S before `-` or `_`, these say where entities begin and end;
            else each label is a kind (the IO scheme).
        outside: the label of words outside of entities.

    Raises:
        ModelError: no label is `outside`, or it is the only one.
    """
    if outside not in labels or len(set(labels)) < 2:
        raise ModelError(
            f"none of the labels {', '.join(labels[:12])} is {outside!r}, the label of words "
            "outside of entities: name it in the option `outside` (one of these labels)"
            if outside not in labels
            else f"the model has only the label {outside!r}: it can't find entities"
        )
    matches = [_PREFIXED.fullmatch(label) for label in labels if label != outside]
    has_prefixes = all(matches)
    return [_parse(label, outside, has_prefixes) for label in labels]


def _parse(label: str, outside: str, has_prefixes: bool) -> Tag:
    if label == outside:
        return Tag("")
    match = _PREFIXED.fullmatch(label) if has_prefixes else None
    if match is None:
        return Tag(label)
    prefix, kind = match.groups()
    return Tag(kind, prefix in _BEGINS, prefix in _ENDS)


def find_entities(
    text: str,
    spans: Sequence[Span],
    choices: Sequence[int],
    probabilities: NDArray[np.float32],
    tags: Sequence[Tag],
    min_score: float = 0.0,
) -> list[Entity]:
    """Join tagged words to entities.

    Args:
        text: the original text.
        spans: W words, each with the indices of its first character and behind its last.
        choices: (W,) the chosen tag of each word.
        probabilities: (W, K) float32 in [0, 1].
        tags: K tags.
        min_score: entities with a lower score are left out.

    Returns:
        Entities by ascending start, without blanks at their ends.
    """
    found: list[Entity] = []
    group: list[int] = []
    for word, choice in enumerate(choices):
        tag = tags[choice]
        if group and not _continues(tags[choices[group[-1]]], tag):
            found += _entity(text, spans, choices, probabilities, tags, group)
            group = []
        if tag.kind:
            group.append(word)
    if group:
        found += _entity(text, spans, choices, probabilities, tags, group)
    return [entity for entity in found if entity.score >= min_score]


def _continues(previous: Tag, tag: Tag) -> bool:
    return tag.kind == previous.kind and not tag.begins and not previous.ends


def _entity(
    text: str,
    spans: Sequence[Span],
    choices: Sequence[int],
    probabilities: NDArray[np.float32],
    tags: Sequence[Tag],
    words: Sequence[int],
) -> list[Entity]:
    """Return the entity of consecutive words; none if they show nothing but blanks."""
    start, end = spans[words[0]][0], spans[words[-1]][1]
    mention = text[start:end]
    start += len(mention) - len(mention.lstrip())
    mention = mention.strip()
    if not mention:
        return []
    scores = [float(probabilities[word, choices[word]]) for word in words]
    score = min(1.0, round(sum(scores) / len(scores), DECIMALS))
    label = tags[choices[words[0]]].kind
    return [Entity(label, start, start + len(mention), score, mention)]
