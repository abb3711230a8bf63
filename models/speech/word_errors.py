"""The word error rate: changes that turn what was heard into the truth, for each true word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def word_distance(truth: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements between two lists of words."""
    costs = list(range(len(heard) + 1))
    for row, word in enumerate(truth, 1):
        before, costs[0] = costs[0], row
        for column, other in enumerate(heard, 1):
            diagonal = before + (word != other)
            before = costs[column]
            costs[column] = min(diagonal, costs[column] + 1, costs[column - 1] + 1)
    return costs[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the distance of all texts over the number of true words.

    Args:
        pairs: the true text and the one that was heard, of each sentence.

    Raises:
        ValueError: there is no true word.
    """
    errors = total = 0
    for truth, heard in pairs:
        words = truth.split()
        errors += word_distance(words, heard.split())
        total += len(words)
    if not total:
        raise ValueError("no true word to compare with")
    return errors / total
