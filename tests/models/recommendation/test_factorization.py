from __future__ import annotations

import numpy as np

from models.recommendation.factorization import (
    NEGATIVES,
    learn_factors,
    sampled_slots,
    set_first_vectors,
)
from models.recommendation.tables import Items, Users


def test_a_user_moves_toward_what_was_taken_and_away_from_the_others() -> None:
    items, users = Items(0, 8), Users(32, 8)
    rows, (user,) = np.array(items.allocate(40)), users.allocate(1)
    set_first_vectors(items, 1, np.arange(40), rows)
    owner, taken = np.array([user]), rows[:1]
    for _ in range(30):
        others = np.resize(rows[1:], (1, NEGATIVES))
        learn_factors(items, users, taken, owner, others, np.ones(1))
    products = items.factors[rows] @ users.factors[user]
    assert products[0] > 0.5
    assert np.abs(products[1:NEGATIVES]).max() < 0.3
    assert np.isfinite(users.factors).all()


def test_the_sample_covers_all_items_and_is_the_same_each_time() -> None:
    steps, slots = np.arange(400), np.full(400, 37)
    sample = sampled_slots(steps, slots, seed=1)
    assert np.array_equal(sample, sampled_slots(steps, slots, seed=1))
    assert not np.array_equal(sample, sampled_slots(steps, slots, seed=2))
    counts = np.bincount(sample.reshape(-1), minlength=37)
    assert len(counts) == 37
    assert counts.min() > 0.7 * sample.size / 37
