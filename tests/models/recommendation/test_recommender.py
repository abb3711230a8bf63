from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from models.base import ModelError
from models.evaluation import answer_stream
from models.recommendation.recommender import Recommender
from models.registry import make_model, model_class
from schemas import Interaction, Recommendation

NAMES = ["item_cooccurrence", "online_matrix_factorization", "popular_items", "recommender"]
PERSONAL = NAMES[:2] + NAMES[3:]


def make(name: str = "recommender", **options: Any) -> Recommender:
    model = make_model(model_class(name), options)
    assert isinstance(model, Recommender)
    return model


def act(user: str, item: str, action: str = "view", **fields: Any) -> Interaction:
    return Interaction(source_id=user, item=item, action=action, **fields)


def items_of(result: Recommendation | None) -> list[str]:
    assert result is not None
    return [item.item for item in result.items]


def ask(model: Recommender, user: str, item: str = "") -> list[str]:
    return items_of(model.predict_batch([act(user, item)])[0])


def two_camps(count: int, seed: int = 1) -> list[Interaction]:
    """Users with even numbers like items with even numbers, the others the others."""
    dice = random.Random(seed)
    log = []
    for _ in range(count):
        user = dice.randrange(40)
        log.append(act(f"u{user}", f"i{2 * dice.randrange(60) + user % 2}"))
    return log


def learn(model: Recommender, log: Sequence[Interaction]) -> None:
    for start in range(0, len(log), model.learn_every):
        model.learn_batch(log[start : start + model.learn_every])


def learned(log: Sequence[Interaction], name: str = "recommender", **options: Any) -> Recommender:
    model = make(name, **options)
    learn(model, log)
    return model


@pytest.mark.parametrize("name", PERSONAL)
@pytest.mark.parametrize("learn_every", [1, 16])
def test_users_get_items_of_their_kind(name: str, learn_every: int) -> None:
    model = learned(two_camps(3000), name, history=32, learn_every=learn_every)
    for user in range(10):
        items = ask(model, f"u{user}")
        assert len(items) == 10
        right = sum(int(item[1:]) % 2 == user % 2 for item in items)
        assert right >= 9, (user, items)


def test_an_answer_takes_the_events_own_item_into_account_before_learning_it() -> None:
    model = learned(two_camps(1500))
    state = model.snapshot()
    answer = model.predict_batch([act("stranger", "i4")])[0]
    assert answer is not None
    assert not answer.is_cold
    assert "i4" not in items_of(answer)
    assert all(int(item[1:]) % 2 == 0 for item in items_of(answer))
    assert {item.strategy for item in answer.items} == {"co_occurrence"}
    assert model.snapshot() == state


@pytest.mark.parametrize("name", NAMES)
def test_strangers_get_what_is_popular_now(name: str) -> None:
    log = [act(f"u{i % 50}", "old" if i % 2 else f"x{i % 7}") for i in range(600)]
    log += [act(f"u{i % 50}", "new" if i % 2 else f"x{i % 7}") for i in range(600)]
    model = learned(log, name, popularity_half_life_events=100)
    for user in ("stranger", ""):
        answer = model.predict_batch([act(user, "")])[0]
        assert answer is not None
        assert answer.is_cold
        assert items_of(answer)[0] == "new"
        assert {item.strategy for item in answer.items} == {"popular"}


def test_what_a_user_has_had_is_left_out_unless_it_may_come_again() -> None:
    log = [act("u", f"i{k}") for k in range(12)] + [act("v", f"i{k}") for k in range(20)]
    assert set(ask(learned(log), "u")) == {f"i{k}" for k in range(12, 20)}
    again = learned(log, exclude_seen=False)
    assert set(ask(again, "u")) & {f"i{k}" for k in range(12)}


@pytest.mark.parametrize("name", NAMES)
def test_a_removed_item_is_never_recommended_until_it_is_restored(name: str) -> None:
    model = learned(two_camps(1500), name, top_n=50)
    assert "i4" in ask(model, "stranger")
    removal = act("", "i4", action="remove_item")
    assert model.predict_batch([removal]) == [None]
    model.learn_batch([removal])
    learn(model, two_camps(200, seed=2))
    assert "i4" not in ask(model, "stranger") + ask(model, "u2", "i8")
    again = make(name, top_n=50)
    again.restore(model.snapshot())
    assert "i4" not in ask(again, "stranger")
    learn(again, [act("", "i4", action="restore_item"), *two_camps(200, seed=3)])
    assert "i4" in ask(again, "stranger")


def test_blocked_items_are_learned_and_not_recommended_also_after_a_restart() -> None:
    state = learned(two_camps(1500)).snapshot()
    blocking = make(blocked_items=["i1*", "i?"], top_n=50)
    blocking.restore(state)
    items = ask(blocking, "u2", "i8")
    assert items
    assert not [item for item in items if item.startswith("i1") or len(item) == 2]


def test_actions_weigh_as_the_options_say() -> None:
    model = make(action_weights={"buy": 3.0, "view": 1.0})
    log = [act(f"u{i}", "viewed") for i in range(20)]
    log += [act(f"v{i}", "bought", action="buy") for i in range(10)]
    log += [act(f"w{i}", "scrolled", action="scroll") for i in range(90)]
    learn(model, log)
    assert ask(model, "stranger") == ["bought", "viewed"]
    assert ask(model, "v1") == ["viewed"]


def test_with_requests_only_interactions_are_learned_without_an_answer() -> None:
    model = make(requests_only=True)
    log = two_camps(40)
    assert answer_stream(model, log) == [None] * 40
    assert len(ask(model, "stranger")) == 10


def test_requests_teach_nothing() -> None:
    model = learned(two_camps(100))
    state = model.snapshot()
    learn(model, [act("u1", ""), act("stranger", "")])
    assert model.snapshot() == state


def test_many_more_items_and_users_than_there_is_room_for() -> None:
    model = make(max_items=256, max_users=256, history=32, neighbors=16, dimensions=8)
    sizes = []
    for part in range(3):
        learn(model, [act(f"u{i % 1777}-{part}", f"i{part}-{i}") for i in range(3000)])
        sizes.append(len(model.snapshot()))
    assert sizes[2] <= 1.05 * sizes[0]
    incidents = model.take_incidents()
    assert incidents["evicted_item"] > 8000
    assert incidents["evicted_user"] > 4000
    assert set(model.take_incidents().values()) == {0}
    other = make(max_items=256, max_users=256, history=32, neighbors=16, dimensions=8)
    other.restore(model.snapshot())
    log = [act(f"u{i % 50}", f"j{i % 90}") for i in range(400)]
    assert answer_stream(other, log) == answer_stream(model, log)
    assert other.snapshot() == model.snapshot()


@pytest.mark.parametrize("name", NAMES)
def test_hostile_ids_are_ids(name: str) -> None:
    odd = ["🦆" * 4096, "\x00", " ", "a\nb", "u" * 4096, "\ud7ff", "*", "[x]"]
    log = [act(user, item) for user in odd for item in odd]
    log += [act("", item) for item in odd]
    model = learned(log, name)
    again = make(name)
    again.restore(model.snapshot())
    for user in ["", "stranger", *odd]:
        assert set(ask(model, user, "")) <= set(odd)
        assert ask(again, user, "") == ask(model, user, "")


def test_repeats_of_one_item_do_not_fill_the_history() -> None:
    log = [act("u", f"i{k}") for k in range(5)] + [act("u", "i4")] * 200
    model = learned(log, history=32)
    assert model.learned_values(model.snapshot()) == {"u": 5}


def test_old_counts_lose_weight_and_a_long_stream_stays_finite() -> None:
    model = make(half_life_events=4, popularity_half_life_events=2, learn_every=8)
    learn(model, two_camps(3000))
    assert len(ask(model, "u1")) == 10
    again = make(half_life_events=4, popularity_half_life_events=2, learn_every=8)
    again.restore(model.snapshot())
    assert again.snapshot() == model.snapshot()


@pytest.mark.parametrize(
    "options",
    [
        {"top_n": 0},
        {"history": 16},
        {"neighbors": 7},
        {"dimensions": 0},
        {"max_items": 10},
        {"half_life_events": 0},
        {"action_weights": {"buy": -1.0}},
        {"history": 32, "learn_every": 30},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=next(reversed(options))):
        make(**options)
