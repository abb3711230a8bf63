"""An id goes where most of the weight of its members goes."""

from __future__ import annotations

import numpy as np

from models.clustering.stable_ids import Inheritance, inherit_ids


def inherit(groups: list[int], weights: list[float], earlier: list[int]) -> Inheritance:
    return inherit_ids(np.array(groups, np.int64), np.array(weights), np.array(earlier), 10)


def test_new_groups_get_new_ids() -> None:
    assert inherit([0, 1], [1, 1], [-1, -1]) == Inheritance([10, 11], [[], []], 12)


def test_a_group_keeps_its_id_when_members_come_and_go() -> None:
    assert inherit([1, 1, 0], [5, 1, 1], [3, -1, 4]).ids == [4, 3]


def test_after_a_split_the_heavier_part_keeps_the_id() -> None:
    assert inherit([0, 1, 1], [2, 2, 1], [3, 3, 3]) == Inheritance([10, 3], [[3], [3]], 11)


def test_after_a_merge_the_heavier_id_is_kept() -> None:
    assert inherit([0, 0, 0], [2, 2, 1], [3, 7, 7]) == Inheritance([7], [[7, 3]], 10)


def test_of_equal_weights_the_lower_id_is_kept() -> None:
    assert inherit([0, 0], [2, 2], [7, 3]).ids == [3]


def test_no_member() -> None:
    assert inherit([], [], []) == Inheritance([], [], 10)
