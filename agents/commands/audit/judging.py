"""Judge what was read: which records are missing, doubled, out of order or contradictory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.commands.audit.columns import Bools, Ints
from agents.commands.audit.ledger import (
    KEYLESS,
    LETTER,
    OFFSET_BITS,
    REPLAY,
    TOMBSTONE,
    Ledger,
    describe_origin,
    partition_and_offset,
)
from agents.commands.audit.report import MAX_CULPRITS, AgentReport, Problem
from schemas import Origin


@dataclass(frozen=True)
class Rules:
    """What counts as a problem."""

    committed: Sequence[int]
    """The group's committed offset of each input partition in this topic; -1: none."""
    is_drained: bool
    """Records at or above the committed offset must be finished too."""
    repeats_allowed: bool
    """Repeats are allowed: delivery is at least once."""
    silence_allowed: bool
    """A committed record may have no output."""
    starts_at_latest: bool = False
    """The group began where each partition ended then (`auto.offset.reset: latest`)."""


def judge(ledgers: Sequence[Ledger], report: AgentReport, rules: Rules) -> None:
    """Check every record against the rules; write counts and problems to the report."""
    for ledger in ledgers:
        _judge_outcomes(ledger, report, rules)
        _judge_order(ledger, report)
        _judge_doubles(ledger, report, rules)
    _settle_replays(ledgers, report)


def _judge_outcomes(ledger: Ledger, report: AgentReport, rules: Rules) -> None:
    answered, refused = ledger.is_answered, ledger.has(LETTER)
    tombstones = ledger.has(TOMBSTONE)
    is_original = ~ledger.has(REPLAY)
    is_open = ~(answered | refused | tombstones)
    is_committed = ledger.offsets < rules.committed[ledger.partition]
    is_unprovable = is_open & is_committed & (ledger.offsets < ledger.unprovable_below)
    is_expired = is_unprovable & (ledger.offsets < ledger.expired_below)
    is_before = is_open & ~is_unprovable & (ledger.offsets < _begin(ledger, rules))
    is_silent = is_open & is_committed & ~is_unprovable & ~is_before
    in_flight = is_open & ~is_committed & ~is_before
    report.records += _count(is_original)
    report.answered += _count(answered & is_original & ~tombstones)
    report.dead_lettered += _count(refused & ~answered & is_original & ~tombstones)
    report.filtered += _count(tombstones & is_original)
    report.expired += _count(is_expired & is_original)
    report.removed_output += _count(is_unprovable & ~is_expired & is_original)
    report.before_first += _count(is_before & is_original)
    report.replays += _count(~is_original)
    _blame(ledger, report, Problem.BOTH_OUTCOMES, answered & refused,
           "has a result and a dead letter")  # fmt: skip
    if rules.silence_allowed:
        report.without_output += _count(is_silent & is_original)
    else:
        ledger.missing = ledger.offsets[is_silent]
        _blame(ledger, report, Problem.MISSING, is_silent,
               "is committed, but has neither a result nor a dead letter")  # fmt: skip
    if rules.is_drained:
        _blame(ledger, report, Problem.UNFINISHED, in_flight,
               "is not committed, and has neither a result nor a dead letter")  # fmt: skip
    else:
        report.in_flight += _count(in_flight & is_original)


def _begin(ledger: Ledger, rules: Rules) -> int:
    """Return the offset where a group that began with `latest` began in a partition, at most.

    That is its first answer, or its committed offset if it has none, or the end.
    """
    if not rules.starts_at_latest:
        return 0
    first, committed = ledger.first_answered(), rules.committed[ledger.partition]
    if first is not None:
        return first
    return ledger.end if committed < 0 else committed


def _judge_order(ledger: Ledger, report: AgentReport) -> None:
    """Report answers that come after the answer to a later record of the same key."""
    rows = np.flatnonzero(ledger.is_answered & ~ledger.has(KEYLESS))
    # Sorted by key, then by output partition; rows of the same keep the order of their offsets.
    rows = rows[np.lexsort((ledger.places[rows] >> OFFSET_BITS, ledger.keys[rows]))]
    keys, places = ledger.keys[rows], ledger.places[rows]
    is_one_partition = places[1:] >> OFFSET_BITS == places[:-1] >> OFFSET_BITS
    is_late = (keys[1:] == keys[:-1]) & is_one_partition & (places[1:] < places[:-1])
    late = rows[:-1][is_late]
    for row, after in zip(late[:MAX_CULPRITS], rows[1:][is_late][:MAX_CULPRITS], strict=True):
        detail = (f"answers {describe_origin(ledger.origin(int(row)))} after offset "
                  f"{ledger.offsets[after]} of the same key was answered")  # fmt: skip
        place = partition_and_offset(int(ledger.places[row]))
        report.blame(Problem.OUT_OF_ORDER, report.output, *place, detail)
    report.count(Problem.OUT_OF_ORDER, len(late) - MAX_CULPRITS)


def _judge_doubles(ledger: Ledger, report: AgentReport, rules: Rules) -> None:
    rows, indexes, hashes, places = ledger.repeats.take()
    report.repeats += len(rows) + len(ledger.letter_repeats)
    expected = ledger.hashes[rows]
    if (is_extra := indexes > 0).any():
        expected[is_extra] = _extra_hashes(ledger, rows[is_extra], indexes[is_extra])
    ledger.differing = {
        int(place): (int(row), int(index))
        for place, row, index in zip(*(c[hashes != expected] for c in (places, rows, indexes)),
                                     strict=True)
    }  # fmt: skip
    if rules.repeats_allowed:
        return
    for row, place in zip(rows[:MAX_CULPRITS], places[:MAX_CULPRITS], strict=True):
        detail = f"answers {describe_origin(ledger.origin(int(row)))} again"
        report.blame(Problem.DOUBLED, report.output, *partition_and_offset(int(place)), detail)
    report.count(Problem.DOUBLED, len(rows) - MAX_CULPRITS)
    for place in ledger.letter_repeats:
        report.blame(
            Problem.DOUBLED,
            report.dead_letters,
            *partition_and_offset(place),
            "a second dead letter of the same record",
        )


def _extra_hashes(ledger: Ledger, rows: Ints, indexes: Ints) -> Ints:
    """Return the hash of the first result with each row and index; no index is 0."""
    extra_rows, extra_indexes, hashes = ledger.extras.take()
    order = np.lexsort((extra_indexes, extra_rows))
    ids = _ids(extra_rows[order], extra_indexes[order])
    first_hashes: Ints = hashes[order][np.searchsorted(ids, _ids(rows, indexes))]
    return first_hashes


def _ids(rows: Ints, indexes: Ints) -> Ints:
    return rows << 20 | indexes


def _settle_replays(ledgers: Sequence[Ledger], report: AgentReport) -> None:
    """Count dead letters that are settled: a replay of their record was answered."""
    settled: set[Origin] = set()
    for ledger in ledgers:
        is_answered = ledger.is_answered
        for offset, replay in ledger.replays:
            first = replay.origin
            row = ledger.row_of(offset)
            if row is None or not is_answered[row] or not _is_input(first, ledgers, report):
                continue
            other = ledgers[first.partition]
            first_row = other.row_of(first.offset)
            if first_row is None:
                continue  # retention has removed the first record
            if first in settled or other.places[first_row] >= 0:
                report.repeats += 1
            elif other.flags[first_row] & LETTER:
                settled.add(first)
    report.settled = len(settled)
    report.answered += len(settled)
    report.dead_lettered -= len(settled)


def _is_input(origin: Origin, ledgers: Sequence[Ledger], report: AgentReport) -> bool:
    return origin.topic == report.input and 0 <= origin.partition < len(ledgers)


def _blame(ledger: Ledger, report: AgentReport, problem: Problem, mask: Bools, detail: str) -> None:
    rows = np.flatnonzero(mask)
    for row in rows[:MAX_CULPRITS]:
        origin = ledger.origin(int(row))
        report.blame(problem, origin.topic, origin.partition, origin.offset, detail)
    report.count(problem, len(rows) - MAX_CULPRITS)


def _count(mask: Bools) -> int:
    return int(np.count_nonzero(mask))
