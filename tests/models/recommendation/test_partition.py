"""Memory stays bounded however many users come; what is forgotten is counted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from models.recommendation.recommender import Recommender
from schemas import Interaction

_ITEMS = 400


def stream(model: Recommender, num_users: int) -> int:
    """Let each user act twice, the second time 100 users later; return the number of incidents."""
    forgotten = 0
    batch: list[Interaction] = []
    for number in range(num_users + 100):
        for user in (number, number - 100):
            if 0 <= user < num_users:
                item = f"i{(user * 7919 + number) % _ITEMS}"
                batch.append(Interaction(source_id=f"user-{user}", item=item, action="view"))
        if len(batch) >= 62 or number == num_users + 99:
            model.learn_batch(batch)
            batch = []
            forgotten += model.take_incidents()["evicted_user"]
    return forgotten


def bytes_of_tables(model: Recommender) -> int:
    tables = (model._partition.item_table, model._partition.user_table)
    return sum(
        value.nbytes
        for table in tables
        for value in vars(table).values()
        if isinstance(value, np.ndarray)
    )


@pytest.mark.parametrize(
    ("num_users", "max_users"),
    [(6_000, 1_000), pytest.param(1_000_000, 20_000, marks=pytest.mark.slow)],
)
def test_users_beyond_the_limit_are_forgotten_and_counted(num_users: int, max_users: int) -> None:
    model = Recommender(max_users=max_users, history=96, dimensions=16, learn_every=64)
    first = stream(model, 2 * max_users)
    size, snapshot = bytes_of_tables(model), len(model.snapshot())
    assert first == 2 * max_users - len(model._partition.users.keys)
    model = Recommender(max_users=max_users, history=96, dimensions=16, learn_every=64)
    forgotten = stream(model, num_users)
    keys = model._partition.users.keys
    assert max_users * 15 // 16 <= len(keys) <= max_users
    assert forgotten == num_users - len(keys)
    assert keys.num_slots <= max_users
    assert bytes_of_tables(model) == size
    assert len(model.snapshot()) <= 1.1 * snapshot  # of a sixteenth more or less users
    # A history of 96 numbers and 16 factors of 4 bytes, and the count; the table doubles as it
    # grows. Items have 96 neighbors and counts, and a row that stands for none.
    a_user, an_item = 4 * (96 + 16) + 8, 8 * 96 + 4 * 16 + 64
    assert size <= 2 * (a_user * (max_users + 64) + an_item * (_ITEMS + 128)) + 4 * 2 * (
        _ITEMS + 128
    )
    # The latest users are known with all that they have had.
    learned = model.learned_values(model.snapshot())
    assert all(learned[f"user-{user}"] == 2 for user in range(num_users - 100, num_users))


def test_many_items_are_forgotten_and_counted() -> None:
    model = Recommender(max_items=512, learn_every=16)
    forgotten = 0
    for number in range(0, 6000, 16):
        model.learn_batch(
            [
                Interaction(source_id=f"u{i % 7}", item=f"i{i}", action="view")
                for i in range(number, number + 16)
            ]
        )
        forgotten += model.take_incidents()["evicted_item"]
    items = model._partition.items.keys
    assert len(items) <= 512
    assert forgotten == 6000 - len(items)
    assert len(model._partition.item_table.counts) <= 2 * 512 + 128
