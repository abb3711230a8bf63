from __future__ import annotations

import pytest

from models.transliteration.metrics import character_f1, is_exact, reciprocal_rank


@pytest.mark.parametrize(
    ("candidate", "references", "value"),
    [
        ("伍斯特", ["伍斯特"], 1.0),
        ("伍斯特", ["巴"], 0.0),
        ("", ["巴"], 0.0),
        ("伍斯", ["伍斯特"], 2 * 2 / 5),
        ("斯伍", ["伍斯"], 2 * 1 / 4),
        ("伍斯", ["巴", "伍斯特", "伍斯"], 1.0),
    ],
)
def test_character_f1(candidate: str, references: list[str], value: float) -> None:
    assert character_f1(candidate, references) == pytest.approx(value)
    assert is_exact(candidate, references) == (value == 1.0)


def test_reciprocal_rank() -> None:
    assert reciprocal_rank(["a", "b"], ["b", "c"]) == 0.5
    assert reciprocal_rank(["b", "c"], ["b", "c"]) == 1.0
    assert reciprocal_rank([], ["b"]) == reciprocal_rank(["a"], ["b"]) == 0.0
