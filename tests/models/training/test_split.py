from __future__ import annotations

import pytest

from models.training.split import split_by_class, split_rows


def test_the_parts_are_the_whole_and_depend_on_the_seed_alone() -> None:
    kept, left = split_rows(50, 0.2, 1)
    assert sorted([*kept.tolist(), *left.tolist()]) == list(range(50))
    assert len(left) == 10
    assert split_rows(50, 0.2, 1)[1].tolist() == left.tolist()
    assert split_rows(50, 0.2, 2)[1].tolist() != left.tolist()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_each_class_keeps_a_row(share: float) -> None:
    classes = ["often"] * 20 + ["once"] + ["twice"] * 2
    kept, left = split_by_class(classes, share, 0)
    assert {classes[row] for row in kept} == set(classes)
    assert len(kept) + len(left) == len(classes)
