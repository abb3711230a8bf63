from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from models.nlu.label_descriptions import LabelDescriptions

Vectors = np.ndarray[Any, np.dtype[np.float32]]
KNOWN = {"east": (2, 0), "north": (0, 1), "north east": (1, 1), "far north": (-1, 3)}


def encode(texts: Sequence[str]) -> Vectors:
    return np.array([KNOWN[text] for text in texts], dtype=np.float32)


def described(labels: Any, top_k: int = 3, min_similarity: float = 0.5) -> LabelDescriptions:
    made = LabelDescriptions(labels, top_k, min_similarity)
    made.encode(encode)
    return made


def test_similarity_is_the_cosine_with_the_nearest_description() -> None:
    made = described({"e": "east", "n": ["north", "far north"]})
    vectors = np.array([(1, 0), (3, 3), (0, -5), (-1, 3)], dtype=np.float32)
    half = np.sqrt(0.5)
    expected = [(1, 0), (half, half), (0, -3 / np.sqrt(10)), (-1 / np.sqrt(10), 1)]
    np.testing.assert_allclose(made.similarities(vectors), expected, atol=1e-6)


def test_the_nearest_label_is_the_answer_if_it_is_near_enough() -> None:
    made = described(["east", "north"], top_k=1)
    east, none = made.answer(np.array([(9, 1), (-1, -1)], dtype=np.float32))
    assert east.label == "east"
    assert [one.label for one in east.labels] == ["east"]
    assert none.label is None
    assert none.labels[0].similarity == pytest.approx(-np.sqrt(0.5), abs=1e-6)


def test_a_name_without_description_is_read_without_underscores() -> None:
    made = described({"north_east": None, "east": "east"}, top_k=2)
    (answer,) = made.answer(np.array([(1, 1)], dtype=np.float32))
    assert answer.label == "north_east"
    assert answer.labels[0].similarity == pytest.approx(1)
    assert [one.label for one in answer.labels] == ["north_east", "east"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "expected a list of names"),
        ("east", "expected a list of names"),
        (None, "expected a list of names"),
        (["east", "east"], "has a name twice"),
        ({"east": ""}, "label 'east': expected a description"),
        ({"east": []}, "label 'east': expected a description"),
        ({"east": 3}, "label 'east': expected a description"),
        ({"east": ["east", " "]}, "label 'east': expected a description"),
        ([f"label {i}" for i in range(1001)], "1001 names and 1001 descriptions"),
    ],
)
def test_bad_labels_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelDescriptions(labels, 3, 0.5)


def test_bad_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="top_k"):
        LabelDescriptions(["east"], 0, 0.5)
    with pytest.raises(ValueError, match="min_similarity"):
        LabelDescriptions(["east"], 1, 1.5)
