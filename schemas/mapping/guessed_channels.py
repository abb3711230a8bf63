"""Guesses where the channels of a topic's values are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from schemas.mapping.conversions import parsed_number
from schemas.mapping.leaves import Leaf, written


class Guess(NamedTuple):
    """One entry of `fields:`."""

    key: str
    value: Any
    why: str


def is_number(value: Any) -> bool:
    """Return whether a value is a number, and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def share_of_numbers(leaf: Leaf) -> float:
    """Return how many of the values are numbers or booleans, from 0 to 1."""
    return sum(isinstance(value, int | float) for value in leaf.values) / len(leaf.values)


def guess_channels(
    all_leaves: Sequence[Leaf], leaves: Sequence[Leaf], numbers: Sequence[Leaf], num_items: int
) -> Guess:
    """Return the guess for the channels: an object that holds most numbers, or single paths."""
    parents: dict[tuple[str, ...], list[Leaf]] = {}
    for leaf in numbers:
        parents.setdefault(leaf.path[:-1], []).append(leaf)
    if not parents:
        as_text = [leaf for leaf in leaves if _are_number_texts(leaf)]
        if as_text:
            paths = [written(leaf.path) for leaf in as_text]
            return Guess("values", paths, "texts that are numbers: needs from and numeric_text")
        return Guess("values", [], "no path holds numbers: fill it in")
    parent, inside = max(parents.items(), key=lambda pair: len(pair[1]))
    if parent:
        texts = [leaf.path[-1] for leaf in leaves
                 if leaf.path[:-1] == parent and _are_number_texts(leaf)]  # fmt: skip
        taken = [*texts, *(leaf.path[-1] for leaf in inside)]
        value: dict[str, Any] = {"from": written(parent), "include": ["*"]}
        others = [name for name in _names_in(all_leaves, parent) if name not in taken]
        value |= {"exclude": others} if others else {}
        value |= {"numeric_text": True} if texts else {}
        why = f"{len(inside)} names with numbers in {num_items} values{_odd(inside)}"
        return Guess("values", value, why)
    rare = [leaf.path[-1] for leaf in inside if len(leaf.values) < num_items]
    why = f"numbers{'; not in every value: ' + ', '.join(rare) if rare else ''}{_odd(inside)}"
    return Guess("values", [written(leaf.path) for leaf in inside], why)


def _odd(leaves: Sequence[Leaf]) -> str:
    odd = [leaf.path[-1] for leaf in leaves if share_of_numbers(leaf) < 1]
    return f"; now and then no number: {', '.join(odd)}" if odd else ""


def _names_in(leaves: Sequence[Leaf], parent: tuple[str, ...]) -> list[str]:
    """Return the names directly in an object, also those of objects within it."""
    depth = len(parent)
    below = [leaf.path for leaf in leaves if leaf.path[:depth] == parent]
    return list({path[depth]: None for path in below if len(path) > depth})


def _are_number_texts(leaf: Leaf) -> bool:
    return bool(leaf.values) and all(map(_is_number_text, leaf.values))


def _is_number_text(value: Any) -> bool:
    return isinstance(value, str) and is_number(parsed_number(value))
