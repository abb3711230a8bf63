"""What the rounds of a bench came to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """One contender's run in one round; the JSON that `--json` prints."""

    workload: str
    contender: str
    version: str
    round: int
    records: int
    seconds: float
    records_per_second: float
    cpu_seconds: float
    verified: bool


class Summary(msgspec.Struct, frozen=True):
    """One contender over all of its verified rounds."""

    contender: str
    version: str
    rounds: int
    median: float
    """Records a second; also `lowest` and `highest`."""
    lowest: float
    highest: float
    cpu_seconds_per_million: float
    ratio: float | None
    """Penstock's median over this one's: how many times as fast Penstock is; None without it."""


def summarise(outcomes: Sequence[Outcome]) -> list[Summary]:
    """Return a summary for each contender that has a verified round, in order of appearance."""
    rounds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.verified:
            rounds.setdefault(outcome.contender, []).append(outcome)
    medians = {
        name: statistics.median(o.records_per_second for o in own) for name, own in rounds.items()
    }
    return [_summary(own, medians) for own in rounds.values()]


def _summary(own: Sequence[Outcome], medians: dict[str, float]) -> Summary:
    rates = [outcome.records_per_second for outcome in own]
    first, ours = own[0], medians.get("penstock")
    median = medians[first.contender]
    return Summary(
        contender=first.contender,
        version=first.version,
        rounds=len(own),
        median=median,
        lowest=min(rates),
        highest=max(rates),
        cpu_seconds_per_million=statistics.median(o.cpu_seconds / o.records * 1e6 for o in own),
        ratio=ours / median if ours and median else None,
    )
