from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.nlu.entity_data import rate_entities, read_tagged

POSTS = """Ada\tB-person
Lovelace\tI-person
Babbage\tB-person
met\tO
London\tI-location

hi\tO
\t

Paris\tB-location
"""


def write(path: Path, content: str) -> Path:
    path.write_bytes(gzip.compress(content.encode()))
    return path


def test_tokens_become_texts_with_spans(tmp_path: Path) -> None:
    first, second, third = read_tagged(write(tmp_path / "a.gz", POSTS))
    assert first.text == "Ada Lovelace Babbage met London"
    assert first.entities == {("person", 0, 12), ("person", 13, 20), ("location", 25, 31)}
    assert (second.text, second.entities) == ("hi", frozenset())
    assert third.entities == {("location", 0, 5)}


def test_a_line_without_a_tag_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2: expected `token TAB tag`"):
        read_tagged(write(tmp_path / "a.gz", "Ada\tO\nLovelace\n"))


def test_only_exact_matches_count() -> None:
    truth = [frozenset({("per", 0, 3), ("loc", 5, 9)}), frozenset({("per", 1, 2)})]
    found = [frozenset({("per", 0, 3), ("per", 5, 9)}), frozenset({("per", 1, 3)})]
    scores = rate_entities(found, truth)
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert rate_entities([frozenset()], [frozenset()]).f1 == 0
