"""Which state each partition gets, and in which order it is stored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from agents.commands.rekey.plan import new_states, plan_moves

Amounts = Mapping[str, int]


class Sums:
    """A model whose state is a JSON map: source -> amount learned."""

    def learned_values(self, state: bytes) -> dict[str, int]:
        return msgspec.json.decode(state, type=dict[str, int])

    def select_sources(self, state: bytes, source_ids: Collection[str]) -> bytes:
        learned = self.learned_values(state)
        return encode({name: n for name, n in learned.items() if name in source_ids})

    def merge_sources(self, states: Sequence[bytes]) -> bytes:
        merged: dict[str, int] = {}
        for state in states:
            learned = self.learned_values(state)
            assert not merged.keys() & learned.keys()
            merged |= learned
        return encode(merged)


def encode(learned: Amounts) -> bytes:
    return msgspec.json.encode(dict(sorted(learned.items())))


def home(key: bytes) -> int:
    """The partition is the last digit of the name."""
    return int(key[-1:])


def move(held: Sequence[Amounts]) -> tuple[list[dict[str, int]], list[str]]:
    """Return what each partition has in the end, and the partitions in the order of writing."""
    model, states = Sums(), [encode(each) if each else None for each in held]
    made = new_states(model, states, plan_moves(held, home))
    final = [made.final(p) or states[p] or b"{}" for p in range(len(held))]
    order = [f"first {p}" for p in made.first] + [f"then {p}" for p in made.then]
    return [model.learned_values(state) for state in final], order


def test_each_source_goes_home_and_arrives_before_it_leaves() -> None:
    held: list[Amounts] = [{"a0": 5, "b2": 6}, {"c1": 7, "d3": 8}, {}, {}]
    final, order = move(held)
    assert final == [{"a0": 5}, {"c1": 7}, {"b2": 6}, {"d3": 8}]
    assert order == ["first 2", "first 3", "then 0", "then 1"]


def test_nothing_is_stored_where_nothing_moves() -> None:
    final, order = move([{"a0": 5}, {"c1": 7}])
    assert final == [{"a0": 5}, {"c1": 7}]
    assert order == []


def test_the_state_that_has_learned_most_is_used() -> None:
    """b2 began anew in its new partition; its state of before knows more."""
    held: list[Amounts] = [{"b2": 600, "a2": 3}, {}, {"b2": 6, "a2": 300}]
    final, _ = move(held)
    assert final == [{}, {}, {"b2": 600, "a2": 300}]


def test_a_partition_that_gives_and_takes_keeps_both_first() -> None:
    held: list[Amounts] = [{"a1": 5}, {"b0": 6}]
    model, states = Sums(), [encode(each) for each in held]
    made = new_states(model, states, plan_moves(held, home))
    assert model.learned_values(made.first[0]) == {"a1": 5, "b0": 6}
    assert model.learned_values(made.then[0]) == {"b0": 6}
    assert made.final(1) == encode({"a1": 5})


def test_an_interrupted_move_is_continued_after_any_write() -> None:
    held: list[Amounts] = [{"a0": 5, "b2": 6, "e1": 1}, {"c1": 7, "d3": 8}, {"f0": 2}, {}]
    whole, _ = move(held)
    model, states = Sums(), [encode(each) for each in held]
    made = new_states(model, states, plan_moves(held, home))
    writes = [*made.first.items(), *made.then.items()]
    for num_written in range(len(writes) + 1):
        stored = dict(enumerate(states)) | dict(writes[:num_written])
        again, _ = move([model.learned_values(stored[p]) for p in range(len(held))])
        assert again == whole, f"interrupted after {num_written} writes"
