"""The outcomes of `bench stream`, and their summary over the rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """One contender's run in one round; `--json` prints these."""

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
    """Penstock's median over this one's; None if Penstock did not run."""


def summarize(outcomes: Sequence[Outcome]) -> list[Summary]:
    """Return a summary for each contender that has a verified round, in order of appearance."""
    rounds: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.verified:
            rounds.setdefault(outcome.contender, []).append(outcome)
    medians = {
        name: statistics.median(o.records_per_second for o in runs) for name, runs in rounds.items()
    }
    return [_summary(runs, medians) for runs in rounds.values()]


def _summary(runs: Sequence[Outcome], medians: dict[str, float]) -> Summary:
    rates = [outcome.records_per_second for outcome in runs]
    first, penstock = runs[0], medians.get("penstock")
    median = medians[first.contender]
    return Summary(
        contender=first.contender,
        version=first.version,
        rounds=len(runs),
        median=median,
        lowest=min(rates),
        highest=max(rates),
        cpu_seconds_per_million=statistics.median(o.cpu_seconds / o.records * 1e6 for o in runs),
        ratio=penstock / median if penstock and median else None,
    )
