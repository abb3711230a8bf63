"""From what was read to a judgement: what is missing, doubled, out of order, contradictory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agents.commands.audit.ledger import (
    KEYLESS,
    LETTER,
    OFFSET_BITS,
    REPLAY,
    TOMBSTONE,
    Bools,
    Ints,
    Ledger,
    describe_record,
)
from agents.commands.audit.ledger import partition_and_offset as at_place
from agents.commands.audit.report import MAX_CULPRITS, AgentReport, Problem
from schemas import Origin


@dataclass(frozen=True)
class Rules:
    """What an audit asks for."""

    committed: Sequence[int]
    """The group's committed offset of each input partition; -1: none."""
    is_drained: bool
    """Records above it must be finished too."""
    repeats_allowed: bool
    """Delivery is at least once."""
    silence_allowed: bool
    """A committed record may be without output."""


def judge(ledgers: Sequence[Ledger], report: AgentReport, rules: Rules) -> None:
    """Hold every record against the rules; counts and problems go to the report."""
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
    is_removed = is_open & is_committed & (ledger.offsets < ledger.unprovable_below)
    is_silent = is_open & is_committed & ~is_removed
    in_flight = is_open & ~is_committed
    report.records += _count(is_original)
    report.answered += _count(answered & is_original & ~tombstones)
    report.dead_lettered += _count(refused & ~answered & is_original & ~tombstones)
    report.filtered += _count(tombstones & is_original)
    report.removed += _count(is_removed & is_original)
    report.replays += _count(~is_original)
    _blame(ledger, report, Problem.BOTH_OUTCOMES, answered & refused,
           "has a result and a dead letter")  # fmt: skip
    if rules.silence_allowed:
        report.without_output += _count(is_silent & is_original)
    else:
        _blame(ledger, report, Problem.MISSING, is_silent,
               "is committed, but has neither result nor dead letter")  # fmt: skip
    if rules.is_drained:
        _blame(ledger, report, Problem.UNFINISHED, in_flight,
               "is not committed, and has neither result nor dead letter")  # fmt: skip
    else:
        report.in_flight += _count(in_flight & is_original)


def _judge_order(ledger: Ledger, report: AgentReport) -> None:
    """Look, within each key, for first answers that stand before an earlier record's."""
    rows = np.flatnonzero(ledger.is_answered & ~ledger.has(KEYLESS))
    # By key and output partition, and by offset within.
    rows = rows[np.lexsort((ledger.places[rows] >> OFFSET_BITS, ledger.keys[rows]))]
    keys, places = ledger.keys[rows], ledger.places[rows]
    is_one_partition = places[1:] >> OFFSET_BITS == places[:-1] >> OFFSET_BITS
    is_late = (keys[1:] == keys[:-1]) & is_one_partition & (places[1:] < places[:-1])
    late = rows[:-1][is_late]
    for row, after in zip(late[:MAX_CULPRITS], rows[1:][is_late][:MAX_CULPRITS], strict=True):
        told = (f"answers {describe_record(ledger.origin(int(row)))} after offset "
                f"{ledger.offsets[after]} of the same key was answered")  # fmt: skip
        place = at_place(int(ledger.places[row]))
        report.blame(Problem.OUT_OF_ORDER, report.output, *place, told)
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
        told = f"answers {describe_record(ledger.origin(int(row)))} once more"
        report.blame(Problem.DOUBLED, report.output, *at_place(int(place)), told)
    report.count(Problem.DOUBLED, len(rows) - MAX_CULPRITS)
    for place in ledger.letter_repeats:
        report.blame(Problem.DOUBLED, report.dead_letters, *at_place(place), "a second dead letter")


def _extra_hashes(ledger: Ledger, rows: Ints, indexes: Ints) -> Ints:
    """Return the hash of each first result whose index is not 0."""
    extra_rows, extra_indexes, hashes = ledger.extras.take()
    order = np.lexsort((extra_indexes, extra_rows))
    ids = _ids(extra_rows[order], extra_indexes[order])
    found: Ints = hashes[order][np.searchsorted(ids, _ids(rows, indexes))]
    return found


def _ids(rows: Ints, indexes: Ints) -> Ints:
    return rows << 20 | indexes


def _settle_replays(ledgers: Sequence[Ledger], report: AgentReport) -> None:
    """A dead letter is settled by the first answer to a replay of its record."""
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


def _blame(ledger: Ledger, report: AgentReport, problem: Problem, which: Bools, told: str) -> None:
    rows = np.flatnonzero(which)
    for row in rows[:MAX_CULPRITS]:
        origin = ledger.origin(int(row))
        report.blame(problem, origin.topic, origin.partition, origin.offset, told)
    report.count(problem, len(rows) - MAX_CULPRITS)


def _count(which: Bools) -> int:
    return int(np.count_nonzero(which))
