"""The figures of transliteration that the NEWS shared tasks use.

Source: Banchs et al., 2015, "Report of NEWS 2015 Machine Transliteration Shared Task", ACL.
"""

from __future__ import annotations

from collections.abc import Sequence


def is_exact(candidate: str, references: Sequence[str]) -> bool:
    """Return whether the candidate is one of the references ("word accuracy in top-1")."""
    return candidate in references


def character_f1(candidate: str, references: Sequence[str]) -> float:
    """Return the F1 of the characters that the candidate and its nearest reference share in order.

    Precision and recall are shares of the longest common subsequence. In [0, 1].
    """
    return max(
        2 * _longest_common(candidate, reference) / max(1, len(candidate) + len(reference))
        for reference in references
    )


def reciprocal_rank(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return 1 / the place of the first right candidate; 0 if there is none."""
    ranks = (rank for rank, c in enumerate(candidates, 1) if c in references)
    return 1 / next(ranks, float("inf"))


def _longest_common(one: str, other: str) -> int:
    best = [0] * (len(other) + 1)
    for a in one:
        row = [0]
        for place, b in enumerate(other):
            row.append(best[place] + 1 if a == b else max(best[place + 1], row[place]))
        best = row
    return best[-1]
