"""Find records that the topic lost before they were answered.

Below the log start there is nothing to read, but results and dead letters tell which offsets were
answered, and the committed offset how far the group came. Offsets without an outcome are a loss,
unless there was no record to answer: transaction markers, aborted records and compaction leave
such gaps, and an agent may be allowed to give no answer. The gaps among the records that the topic
still holds show which gaps are usual there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agents.commands.audit.columns import Ints
from agents.commands.audit.ledger import TOMBSTONE, Ledger
from agents.commands.audit.report import (
    MAX_RANGES,
    AgentReport,
    Culprit,
    Problem,
    RemovedRange,
)

#: Each transaction ends with a marker, which takes one offset. Longer gaps than this many markers
#: in a row are taken for aborted records, of which nothing can be known later.
_MAX_MARKERS = 16
#: Where an agent may be silent, runs without output vary by chance: longer ones than this multiple
#: of the longest run that is held are not.
_SILENT_RUNS = 10

_LOST = "removed from the topic without a result or dead letter"
_COMPACTED = "compaction may have removed these records"
_SILENT = "the agent may give no answer"
_IN_WORK = "a worker may have read them in time and still have them in work"
_BEFORE_FIRST = (
    "they were gone before the group's first answer: lost, if the group began before they went, "
    "or older than it (--since leaves them out)"
)
_NOT_COMMITTED = "the group has no committed offset that says how far it came"
_TRANSACTIONS = "aborted transactions and transaction markers leave gaps too"
_NOTHING_HELD = "the topic holds no record that shows whether such gaps are usual there"


@dataclass(frozen=True)
class Reach:
    """How far one partition of the input was cut, and how far the group came."""

    log_start: int
    """Offsets below it were gone before the committed offset was read."""
    committed: int
    """The group's committed offset in this topic; -1: none."""
    in_work: int
    """So many records above the committed offset may be in work; 0: no worker runs."""
    silence_allowed: bool
    """A committed record may have no output."""
    ignores_beginning: bool = False
    """What was gone before the group's first answer is not to be judged: it began with `latest`, or
    only later records are to be audited."""


class _Gap(NamedTuple):
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def judge_removed(ledger: Ledger, report: AgentReport, reach: Reach) -> None:
    """Report the offsets below the log start that have no outcome, unless they are usual gaps."""
    usual = usual_gap(ledger, reach)
    for gap in _gaps(ledger, reach):
        if (reason := _why_unknown(gap, usual, ledger, reach)) is not None:
            if reason:
                _note(report, RemovedRange(ledger.partition, *gap, is_lost=False, reason=reason))
            continue
        found = RemovedRange(ledger.partition, *gap, is_lost=True, reason=_LOST)
        report.removed += found.num_offsets
        _blame(report, found)
        _note(report, found)


def usual_gap(ledger: Ledger, reach: Reach) -> int | None:
    """Return the most offsets in a row that the topic still covers and that need no outcome.

    Returns:
        0: every offset holds a record with an outcome, or one that must have one; None: the topic
        holds no such record.
    """
    is_quiet = ledger.has(TOMBSTONE)
    if reach.silence_allowed:
        is_quiet |= ~ledger.has_outcome & (ledger.offsets < reach.committed)
    others = ledger.offsets[~is_quiet]
    if not len(others):
        return None
    steps = np.diff(np.concatenate(([ledger.oldest - 1], others, [ledger.end])))
    return max(int(steps.max()) - 1, 0)


def _gaps(ledger: Ledger, reach: Reach) -> Iterator[_Gap]:
    """Yield the ranges below the log start without outcome, where output still shows it."""
    past = ledger.past_answers()
    log_start, committed = reach.log_start, reach.committed
    if (begin := _begin(ledger, reach)) and not reach.ignores_beginning:
        yield _Gap(0, begin - 1)
    passed = log_start if committed < 0 else min(committed, log_start)
    if len(past):
        yield from _between(past, max(int(past[0]), ledger.unprovable_below), passed)
    if 0 <= committed < log_start:
        in_work = min(committed + reach.in_work, log_start)
        yield from _between(past, committed, in_work)
        yield from _between(past, in_work, log_start)


def _begin(ledger: Ledger, reach: Reach) -> int:
    """Return the offset below which nothing was ever answered; 0 if output for it may be gone."""
    if ledger.unprovable_below:
        return 0
    first = ledger.first_answered()
    limits = [limit for limit in (first, reach.committed) if limit is not None and limit >= 0]
    return min([reach.log_start, *limits])


def _between(answered: Ints, start: int, stop: int) -> Iterator[_Gap]:
    """Yield the ranges of offsets from `start` to before `stop` that are not in `answered`."""
    within = answered[(answered >= start) & (answered < stop)]
    edges = np.concatenate(([start - 1], within, [stop]))
    for row in np.flatnonzero(np.diff(edges) > 1):
        yield _Gap(int(edges[row]) + 1, int(edges[row + 1]) - 1)


def _why_unknown(gap: _Gap, usual: int | None, ledger: Ledger, reach: Reach) -> str | None:
    """Return why a gap may be no loss; "": it is a usual one; None: it is a loss."""
    if ledger.is_compacted:
        return "" if gap.last < reach.committed else _COMPACTED
    if usual is not None and gap.length <= _longest_usual(usual, reach):
        return ""
    if gap.last < _begin(ledger, reach):
        return _BEFORE_FIRST
    if reach.committed < 0:
        return _NOT_COMMITTED
    if reach.committed <= gap.first < reach.committed + reach.in_work:
        return _IN_WORK
    if gap.first >= reach.committed and usual == 0:
        return None  # not even committed: the agent has not given its answer None
    if reach.silence_allowed:
        return _SILENT
    if usual is None:
        return _NOTHING_HELD
    return _TRANSACTIONS if usual else None


def _longest_usual(usual: int, reach: Reach) -> int:
    return usual * _SILENT_RUNS if reach.silence_allowed else min(usual, _MAX_MARKERS)


def _note(report: AgentReport, found: RemovedRange) -> None:
    if len(report.removed_ranges) < MAX_RANGES:
        report.removed_ranges.append(found)
    if not found.is_lost:
        report.unknown_offsets[found.reason] += found.num_offsets


def _blame(report: AgentReport, found: RemovedRange) -> None:
    """Count each offset as a problem, and name the range."""
    detail = f"offsets {found.first}-{found.last} ({found.num_offsets}): {found.reason}"
    if len(report.removed_ranges) < MAX_RANGES:
        report.culprits.append(
            Culprit(Problem.REMOVED, report.input, found.partition, found.first, detail)
        )
    report.count(Problem.REMOVED, found.num_offsets)
