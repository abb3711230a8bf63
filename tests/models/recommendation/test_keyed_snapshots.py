from __future__ import annotations

from typing import Any

import pytest

from models.base import ModelError
from models.recommendation.recommender import Recommender
from schemas import Interaction
from tests.models.recommendation.test_recommender import (
    NAMES,
    act,
    ask,
    learn,
    learned,
    make,
    two_camps,
)

MERGED = "recommender"


def restored(state: bytes, name: str = MERGED) -> Recommender:
    model = make(name)
    model.restore(state)
    return model


def of_users(log: list[Interaction], part: int, parts: int) -> list[Interaction]:
    return [event for event in log if int(event.source_id[1:]) % parts == part]


@pytest.mark.parametrize("name", NAMES)
def test_selecting_every_user_changes_nothing(name: str) -> None:
    model = learned(two_camps(400), name)
    state = model.snapshot()
    users = list(model.learned_values(state))
    assert model.select_sources(state, users) == state
    assert model.merge_sources([state]) == state


@pytest.mark.parametrize("name", NAMES)
def test_moved_users_get_the_same_items_as_before(name: str) -> None:
    model = learned(two_camps(800), name)
    part = model.select_sources(model.snapshot(), ["u1", "u2", "u7"])
    assert sorted(model.learned_values(part)) == ["u1", "u2", "u7"]
    moved = restored(part, name)
    for user in ("u1", "u2", "u7", "stranger"):
        assert ask(moved, user) == ask(model, user)
    learn(moved, two_camps(50, seed=4))


def test_counts_of_items_add_up() -> None:
    """What two partitions saw, each of its own users, against one that saw all."""
    log = [act(f"u{k % 30}", f"i{(k * k) % 17}") for k in range(600)]
    whole = learned(log, "item_cooccurrence", half_life_events=1e9)
    options = {"half_life_events": 1e9}
    parts = [learned(of_users(log, part, 3), "item_cooccurrence", **options) for part in range(3)]
    merged = make("item_cooccurrence", **options)
    merged.restore(merged.merge_sources([part.snapshot() for part in parts]))
    users = merged.learned_values(merged.snapshot())
    assert users == whole.learned_values(whole.snapshot())
    for user in users:
        expected = whole.predict_batch([act(user, "")])[0]
        actual = merged.predict_batch([act(user, "")])[0]
        assert expected is not None
        assert actual is not None
        scores = {item.item: item.score for item in actual.items}
        assert scores == pytest.approx({i.item: i.score for i in expected.items}, rel=1e-4)


def test_a_merged_model_knows_more_than_each_of_its_parts() -> None:
    """One partition has only the even camp: it can't help a user of the odd one."""
    log = two_camps(1500)
    even, odd = (learned(of_users(log, part, 2)) for part in (0, 1))
    merged = restored(even.merge_sources([even.snapshot(), odd.snapshot()]))
    for user, item in (("new", "i3"), ("new", "i4"), ("u3", ""), ("u4", "")):
        kind = int((item or user)[1:]) % 2
        assert {int(each[1:]) % 2 for each in ask(merged, user, item)} == {kind}
    assert {int(each[1:]) % 2 for each in ask(even, "new", "i3")} == {0}
    learn(merged, two_camps(200, seed=2))
    assert restored(merged.snapshot()).snapshot() == merged.snapshot()


def test_beyond_the_limits_the_latest_users_and_the_most_frequent_items_stay() -> None:
    options: dict[str, Any] = {"max_items": 256, "max_users": 256}
    first = learned([act(f"a{k % 200}", f"i{k % 250}") for k in range(2000)], **options)
    second = learned([act(f"b{k % 200}", f"j{k % 250}") for k in range(1000)], **options)
    merged = make(**options)
    merged.restore(merged.merge_sources([first.snapshot(), second.snapshot()]))
    users = merged.learned_values(merged.snapshot())
    assert len(users) == 256
    assert sum(user.startswith("a") for user in users) == 128
    learn(merged, [act(f"c{k % 300}", f"k{k}") for k in range(500)])


def test_a_user_in_two_snapshots_is_refused() -> None:
    one, two = learned([act("u", "i1")]), learned([act("u", "i2")])
    with pytest.raises(ModelError, match="know the same source"):
        one.merge_sources([one.snapshot(), two.snapshot()])
