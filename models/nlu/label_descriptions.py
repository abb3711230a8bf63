"""Labels described in words, compared with texts by their sentence vectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.nlu.answers import DECIMALS
from models.options import check_option
from schemas import LabelSimilarity, TextLabels

Vectors = NDArray[np.float32]
#: Names; or each name with its description, or with several.
Labels: TypeAlias = Sequence[str] | Mapping[str, str | Sequence[str] | None]

_MOST_LABELS, _MOST_DESCRIPTIONS = 1000, 10_000


class LabelDescriptions:
    """Finds the labels whose descriptions are nearest to a text.

    A text's similarity to a label is the cosine with the nearest of the label's descriptions.
    """

    def __init__(self, labels: Labels, top_k: int, min_similarity: float) -> None:
        """Check the options.

        Args:
            labels: 1 to 1000 names, each with no description (then its name is one), one or
                several.
            top_k: number of labels in a result, 1 to 1000.
            min_similarity: if no label reaches it, none fits; -1 to 1.

        Raises:
            ValueError: an option is out of range, or a label or a description is empty.
        """
        self._top_k = int(check_option("top_k", top_k, 1, _MOST_LABELS))
        self._min_similarity = check_option("min_similarity", min_similarity, -1, 1)
        self.described = _described(labels)
        self.names = list(self.described)

    def identity(self) -> str:
        """Return all labels and descriptions in one text, for the model's version."""
        return json.dumps(self.described)

    def encode(self, encode: Callable[[Sequence[str]], Vectors]) -> None:
        """Encode the descriptions; `encode` returns a vector for each text.

        Raises:
            InputError: a description has nothing that the encoder reads.
        """
        texts = [text for group in self.described.values() for text in group]
        sizes = [len(group) for group in self.described.values()]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._vectors = _units(encode(texts))

    def similarities(self, vectors: Vectors) -> Vectors:
        """Return the cosines (B, K) of texts with vectors (B, D) and K labels."""
        cosines = _units(vectors) @ self._vectors.T
        best: Vectors = np.maximum.reduceat(cosines, self._starts, axis=1)
        return best.clip(-1, 1)

    def answer(self, vectors: Vectors) -> list[TextLabels]:
        """Return the nearest labels of texts with vectors (B, D), B >= 1."""
        rows = np.round(self.similarities(vectors).astype(np.float64), DECIMALS)
        order = np.argsort(-rows, axis=1, kind="stable")[:, : self._top_k]
        ranked = np.take_along_axis(rows, order, axis=1)
        return [
            self._result(columns, cosines)
            for columns, cosines in zip(order.tolist(), ranked.tolist(), strict=True)
        ]

    def _result(self, columns: list[int], cosines: list[float]) -> TextLabels:
        labels = [
            LabelSimilarity(self.names[column], cosine)
            for column, cosine in zip(columns, cosines, strict=True)
        ]
        best = labels[0].label if cosines[0] >= self._min_similarity else None
        return TextLabels(label=best, labels=labels)


def _described(labels: Any) -> dict[str, list[str]]:
    if isinstance(labels, str) or not isinstance(labels, Sequence | Mapping) or not labels:
        raise ValueError(
            f"labels is {labels!r}: expected a list of names, or a mapping of names to descriptions"
        )
    if not isinstance(labels, Mapping) and len(set(map(str, labels))) < len(labels):
        raise ValueError("labels has a name twice: give it several descriptions instead")
    pairs = labels.items() if isinstance(labels, Mapping) else ((name, None) for name in labels)
    described = {str(name): _texts(str(name), given) for name, given in pairs}
    count = sum(map(len, described.values()))
    if len(described) > _MOST_LABELS or count > _MOST_DESCRIPTIONS:
        raise ValueError(
            f"labels has {len(described)} names and {count} descriptions: expected at most "
            f"{_MOST_LABELS} and {_MOST_DESCRIPTIONS}"
        )
    return described


def _texts(name: str, given: Any) -> list[str]:
    """Return a label's descriptions; without any, its name with blanks for underscores."""
    texts = name.replace("_", " ") if given is None else given
    texts = [texts] if isinstance(texts, str) else texts
    is_list = isinstance(texts, Sequence) and len(texts) > 0
    if not is_list or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"label {name!r}: expected a description or a list of them, not {given!r}")
    return list(texts)


def _units(vectors: Vectors) -> Vectors:
    lengths = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    units: Vectors = vectors / lengths
    return units
