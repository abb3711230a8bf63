"""The records of one input partition and their outcomes, in columns: 37 bytes a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from agents.commands.audit.columns import Answers, Bools, Columns, Ints
from agents.commands.audit.report import AgentReport, Problem
from schemas import Origin, Replay

#: Called with the number of records that were just read.
OnRead: TypeAlias = Callable[[int], None]

#: Flags of an input record.
TOMBSTONE, KEYLESS, REPLAY, LETTER = 1, 2, 4, 8
#: Kafka's largest offset.
MAX_OFFSET = 2**63 - 1
#: A place is an output partition and offset in one number: up to 2^19 partitions of 2^44 records.
OFFSET_BITS = 44
_NOWHERE = -1
#: Later than every timestamp.
NEVER_MS = 2**63 - 1


def place_of(partition: int, offset: int) -> int:
    """Return an output partition and offset as one number, ascending within a partition."""
    return partition << OFFSET_BITS | offset


def partition_and_offset(place: int) -> tuple[int, int]:
    """Return the partition and offset of a place."""
    return int(place) >> OFFSET_BITS, int(place) & (1 << OFFSET_BITS) - 1


def describe_origin(origin: Origin) -> str:
    """Return a record's topic, partition and offset for people."""
    return f"{origin.topic}[{origin.partition}] offset {origin.offset}"


class Ledger:
    """The records of one input partition and the outcome of each.

    `add` every record, then `seal`, then enter results and dead letters in the order of their
    topics.
    """

    def __init__(self, report: AgentReport, partition: int, *, is_compacted: bool) -> None:
        self.partition = partition
        self.oldest = 0
        """Results for records below this offset count as `AgentReport.past`."""
        self.end = 0
        self.oldest_ms = NEVER_MS
        """The oldest timestamp of the records, milliseconds since 1970."""
        self.is_broker_time = False
        """Whether brokers set the timestamps (`message.timestamp.type: LogAppendTime`)."""
        self.unprovable_below = 0
        """Results and dead letters for records below this offset may have been removed."""
        self.expired_below = 0
        """The same, by the settings of their topic or by `penstock dlq drop --delete`."""
        self.replays: list[tuple[int, Replay]] = []
        """Offset and headers of each replay."""
        self.repeats = Columns(4)
        """Row, index, hash and place of each result after the first with its id."""
        self.extras = Columns(3)
        """Row, index and hash of the first result with each id whose index is not 0."""
        self.letter_repeats: list[int] = []
        """Places of dead letters after the first of a record."""
        self.differing: dict[int, tuple[int, int]] = {}
        """Row and index of each repeat whose bytes differ from the first answer's, by place."""
        self.missing = np.empty(0, np.int64)
        """Offsets of the records that were found missing."""
        self.is_compacted = is_compacted
        """Whether the input is compacted: any of its records may be gone."""
        self._past = Columns(1)
        self._report = report
        self._input = Columns(3)

    def doubt_below(self, offset: int, *, expired_below: int = 0) -> None:
        """Note that output for records below an offset may have been removed.

        Args:
            offset: of the input.
            expired_below: below this offset, which is the same or a lower one, it is as expected.
        """
        self.unprovable_below = max(self.unprovable_below, offset)
        self.expired_below = max(self.expired_below, min(expired_below, offset))

    def add(self, offsets: Sequence[int], keys: Sequence[int], flags: Sequence[int]) -> None:
        """Enter input records, in the order of their offsets."""
        self._input.add(offsets, keys, flags)

    def seal(self) -> None:
        """Build the columns, once all input records are known."""
        self.offsets, self.keys, flags = self._input.take()
        self.flags = flags.astype(np.uint8)
        size = len(self.offsets)
        self.hashes = np.zeros(size, np.int64)
        """Hash of each record's first result."""
        self.places = np.full(size, _NOWHERE, np.int64)
        """Place of each record's first result."""
        self.counts = np.zeros(size, np.uint32)
        """Number of results of each record, without repeats."""

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def is_answered(self) -> Bools:
        """Which records have a result."""
        is_answered: Bools = self.places != _NOWHERE
        return is_answered

    def has(self, flag: int) -> Bools:
        """Return which records have a flag."""
        has_flag: Bools = (self.flags & flag) != 0
        return has_flag

    @property
    def has_outcome(self) -> Bools:
        """Which records have a result or a dead letter."""
        return self.is_answered | self.has(LETTER)

    def past_answers(self) -> Ints:
        """Return the offsets below `oldest` that have a result or dead letter; ascending."""
        (past,) = self._past.take()
        past = np.unique(past)
        self._past.add(past)
        return past[past < self.oldest]

    def first_answered(self) -> int | None:
        """Return the lowest offset with a result or dead letter; None: there is none."""
        past, answered = self.past_answers(), self.offsets[self.has_outcome]
        return next((int(offsets[0]) for offsets in (past, answered) if len(offsets)), None)

    def rows_of(self, offsets: Ints) -> tuple[Ints, Bools]:
        """Return the row of each offset, and whether there is one."""
        if not len(self):
            return np.zeros(len(offsets), np.int64), np.zeros(len(offsets), np.bool_)
        rows = np.minimum(np.searchsorted(self.offsets, offsets), len(self) - 1)
        return rows, self.offsets[rows] == offsets

    def row_of(self, offset: int) -> int | None:
        """Return the row of one offset; None if the input has no record there."""
        rows, is_known = self.rows_of(np.asarray([offset], np.int64))
        return int(rows[0]) if is_known[0] else None

    def origin(self, row: int) -> Origin:
        """Return the topic, partition and offset of a row."""
        return Origin(self._report.input, self.partition, int(self.offsets[row]))

    def answer(self, answers: Answers) -> None:
        """Enter results, in the order of the output topic."""
        rows, is_known = self.rows_of(answers.origins)
        if not is_known.all():
            self._strangers(answers.select(~is_known))
            rows, answers = rows[is_known], answers.select(is_known)
        self._check_keys(rows, answers)
        self._check_tombstones(rows, answers)
        if _all_first(rows, answers.indexes) and not self.counts[rows].any():
            self.hashes[rows], self.places[rows] = answers.hashes, answers.places
            self.counts[rows] = 1
            return
        self._answer_each(rows, answers)

    def _answer_each(self, rows: Ints, answers: Answers) -> None:
        columns = (rows, answers.indexes, answers.hashes, answers.places)
        repeats, extras = [], []
        for row, index, value, place in zip(*(column.tolist() for column in columns), strict=True):
            count = int(self.counts[row])
            if index < count:
                repeats.append((row, index, value, place))
                continue
            if index > count:
                self.blame_result(
                    Problem.INCOMPLETE, row, place, f"but its result number {count} is missing"
                )
            if index == 0:
                self.hashes[row] = value
            else:
                extras.append((row, index, value))
            if count == 0:
                self.places[row] = place
            self.counts[row] = index + 1
        if repeats:
            self.repeats.add(*np.asarray(repeats, np.int64).T)
        if extras:
            self.extras.add(*np.asarray(extras, np.int64).T)

    def _check_keys(self, rows: Ints, answers: Answers) -> None:
        is_wrong = (self.keys[rows] != answers.keys) & ((self.flags[rows] & KEYLESS) == 0)
        for row, place in zip(rows[is_wrong], answers.places[is_wrong], strict=True):
            self.blame_result(
                Problem.WRONG_KEY, int(row), int(place), "with another key than its record"
            )

    def _check_tombstones(self, rows: Ints, answers: Answers) -> None:
        is_wrong = (self.flags[rows] & TOMBSTONE) != 0
        for row, place in zip(rows[is_wrong], answers.places[is_wrong], strict=True):
            self.blame_result(Problem.ALIEN, int(row), int(place), "which is a tombstone")

    def blame_result(self, problem: Problem, row: int, place: int, detail: str) -> None:
        """Report a problem of the result at a place, which answers a row."""
        origin = self.origin(row)
        detail = f"answers {describe_origin(origin)}, {detail}"
        self._report.blame(problem, self._report.output, *partition_and_offset(place), detail)

    def _strangers(self, answers: Answers) -> None:
        """Enter results for offsets where the input has no record."""
        is_past = answers.origins < self._past_below
        self._past.add(answers.origins[is_past])
        self._report.past += int(np.count_nonzero(is_past))
        alien = answers.select(~is_past)
        for origin, place in zip(alien.origins, alien.places, strict=True):
            self._alien(int(origin), self._report.output, int(place), "a result")

    @property
    def _past_below(self) -> int:
        """Below this offset, the input may have had records that it no longer has."""
        return self.end if self.is_compacted else self.oldest

    def _alien(self, origin: int, topic: str, place: int, what: str) -> None:
        where = describe_origin(Origin(self._report.input, self.partition, origin))
        detail = f"{what} for {where}, where the input has no record"
        self._report.blame(Problem.ALIEN, topic, *partition_and_offset(place), detail)

    def dead_letter(self, origin: int, topic: str, place: int) -> None:
        """Enter one dead letter."""
        row = self.row_of(origin)
        if row is None and origin < self._past_below:
            self._past.add([origin])
            self._report.past += 1
        elif row is None:
            self._alien(origin, topic, place, "a dead letter")
        elif self.flags[row] & LETTER:
            self.letter_repeats.append(place)
        else:
            self.flags[row] |= LETTER


def _all_first(rows: Ints, indexes: Ints) -> bool:
    return not indexes.any() and bool((np.diff(rows) > 0).all())
