"""Name partitions and ranges in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

#: So many are named in one sentence.
_MAX_NAMED = 5


def named(names: Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    names = list(names)
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def partitions_of(numbers: Sequence[int]) -> str:
    """Return "partition 3" or "partitions 0, 1"."""
    return f"partition{'s' * (len(numbers) != 1)} {named(map(str, numbers))}"
