"""Say what an audit can't know (doubts), and what it is not about (notes)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from agents.commands.audit.describing import named, partitions_of
from agents.commands.audit.hints import hint_at_missing
from agents.commands.audit.judging import Rules
from agents.commands.audit.ledger import TOMBSTONE, Ledger
from agents.commands.audit.report import AgentReport, PartitionRange, RemovedRange
from streams.kafka.positions import is_same_topic

#: Where an agent may be silent, a partition without any output is in doubt if this many results
#: would be expected of it by the share of the other partitions.
_EXPECTED_RESULTS = 20


def note_limits(
    ledgers: Sequence[Ledger],
    report: AgentReport,
    rules: Rules,
    *,
    is_whole: bool,
    can_be_made_again: bool,
) -> None:
    """Add doubts and notes to a report, after everything was judged.

    Args:
        ledgers: of the input's partitions, in order.
        report: with its counts, problems and partitions.
        rules: by which it was judged.
        is_whole: False: only records since some time were to be audited.
        can_be_made_again: False: the broker can't delete topics.
    """
    report.doubts += [
        *_stale_commits(ledgers, report),
        *_unknown_removals(report),
        *_removed_output(report),
        *_unknown_beginnings(ledgers, report, rules),
        *_nothing_judged(ledgers, report, is_whole=is_whole),
    ]
    if can_be_made_again:
        report.doubts += _older_output(report)
        report.notes += _without_topic_ids(report)
    if rules.silence_allowed:
        report.doubts += _silent_partitions(ledgers, report, rules)
    report.notes += [
        *hint_at_missing(ledgers, report),
        *_below_log_start(ledgers, report),
        *([] if is_whole else _since(report)),
        *_not_judged(report),
        *_nothing_committed(report),
    ]


def _stale_commits(ledgers: Sequence[Ledger], report: AgentReport) -> Iterator[str]:
    """Yield doubts about committed offsets that say nothing about the present topic."""
    stale = [
        (ledger, at)
        for ledger, at in zip(ledgers, report.partitions, strict=True)
        if at.committed >= 0 and not at.is_committed_here and _num_open(ledger)
    ]
    elsewhere = [at for _, at in stale if not is_same_topic(at.committed_topic_id, report.topic_id)]
    beyond = [at for _, at in stale if at not in elsewhere]
    num_open = sum(_num_open(ledger) for ledger, _ in stale)
    if elsewhere:
        yield (
            f"the group's committed offsets are of an earlier topic {report.input} "
            f"(id {elsewhere[0].committed_topic_id}, now {report.topic_id}) in "
            f"{_partitions(elsewhere)}: they say nothing about this one, and {num_open} of its "
            "records have no outcome yet"
        )
    if beyond:
        yield (
            f"the group's committed offsets are beyond the end in {_partitions(beyond)} "
            f"({beyond[0].committed} > {beyond[0].end}): the topic was made again or cut, or the "
            "offsets were set by hand. They are taken as none"
        )


def _unknown_removals(report: AgentReport) -> Iterator[str]:
    for reason, count in report.unknown_offsets.items():
        ranges = [r for r in report.removed_ranges if not r.is_lost and r.reason == reason]
        yield (
            f"{report.input} no longer holds {count} offsets without a result or dead letter: "
            f"{_ranges(ranges)}. They may be lost records, but that can't be known: {reason}"
        )


def _removed_output(report: AgentReport) -> Iterator[str]:
    if report.removed_output:
        yield (
            f"{report.removed_output} committed records have no output, and output was removed "
            f"from {report.output} or {report.dead_letters} that may have been theirs: earlier "
            "than the input's retention removes the records, or the topics' settings can't be read"
        )


def _unknown_beginnings(
    ledgers: Sequence[Ledger], report: AgentReport, rules: Rules
) -> Iterator[str]:
    if not rules.starts_at_latest:
        return
    unread = [
        at
        for ledger, at in zip(ledgers, report.partitions, strict=True)
        if at.first_answered < 0 and rules.committed[ledger.partition] < 0 and _num_open(ledger)
    ]
    if unread:
        yield (
            f"the group has answered and committed nothing in {_partitions(unread)}: with "
            "auto.offset.reset: latest, whether it was to read the records there can't be known "
            "(use --since with the time when it began)"
        )


def _older_output(report: AgentReport) -> Iterator[str]:
    if report.older:
        yield (
            f"{report.older} results and dead letters are older than every record of their input "
            "partition, and name no topic id: they are for an earlier topic of this name, or the "
            "clocks of producers and workers differ"
        )


def _nothing_judged(
    ledgers: Sequence[Ledger], report: AgentReport, *, is_whole: bool
) -> Iterator[str]:
    judged = report.answered + report.dead_lettered + report.filtered
    if report.records and not judged and not report.problems:
        yield f"none of the {report.records} records has an outcome that is known yet"
    elif is_whole and not any(map(len, ledgers)) and any(at.log_start for at in report.partitions):
        yield f"{report.input} holds no record any more: nothing is left to judge"


def _silent_partitions(
    ledgers: Sequence[Ledger], report: AgentReport, rules: Rules
) -> Iterator[str]:
    """Yield a doubt if whole partitions have no output although others have.

    Another pipeline with the same group may have answered them.
    """
    num_records = [
        int(np.count_nonzero(ledger.offsets < rules.committed[ledger.partition]))
        for ledger in ledgers
    ]
    num_outcomes = [int(np.count_nonzero(ledger.has_outcome)) for ledger in ledgers]
    share = sum(num_outcomes) / max(sum(num_records), 1)
    silent = [
        at
        for at, records, outcomes in zip(report.partitions, num_records, num_outcomes, strict=True)
        if not outcomes and records * share >= _EXPECTED_RESULTS
    ]
    if silent:
        yield (
            f"the group has committed {_partitions(silent)} without one result or dead letter, "
            f"while {share:.0%} of all records have one: does another pipeline use the same "
            "group.id?"
        )


def _below_log_start(ledgers: Sequence[Ledger], report: AgentReport) -> Iterator[str]:
    num_below = sum(at.log_start for at in report.partitions)
    if not num_below:
        return
    num_answered = sum(
        int(np.count_nonzero(ledger.past_answers() < at.log_start))
        for ledger, at in zip(ledgers, report.partitions, strict=True)
    )
    num_unknown = sum(report.unknown_offsets.values())
    rest = num_below - num_answered - report.removed - num_unknown
    parts = [
        (num_answered, "were answered"),
        (report.removed, "were removed before they were answered"),
        (num_unknown, "may have been"),
        (rest, "are not audited: before the first answer that is still there, or no records"),
    ]
    counts = ", ".join(f"{count} {what}" for count, what in parts if count > 0)
    yield f"{report.input} no longer holds {num_below} offsets below its log start: {counts}"


def _since(report: AgentReport) -> Iterator[str]:
    later = [at for at in report.partitions if at.audited_from > at.log_start]
    starts = named(f"[{at.partition}] {at.audited_from}" for at in later)
    if later:
        yield f"--since leaves out the records of {report.input} below offset {starts}"


def _not_judged(report: AgentReport) -> Iterator[str]:
    if report.expired:
        yield (
            f"{report.expired} committed records have no output any more and are not judged: they "
            "are older than the retention of output and input, or `penstock dlq drop` deleted "
            "their dead letters"
        )
    if report.before_first:
        yield (
            f"{report.before_first} records are before the first one that the group answered "
            "(auto.offset.reset: latest): they are not judged"
        )
    if report.earlier_topic:
        yield (
            f"{report.earlier_topic} results and dead letters are for an earlier topic "
            f"{report.input}: whether all of its records were answered can't be known any more"
        )


def _without_topic_ids(report: AgentReport) -> Iterator[str]:
    if report.without_topic_id:
        yield (
            f"{report.without_topic_id} results and dead letters name no topic id, or "
            f"{report.input} has none: if it was made again, only their time shows which are old"
        )


def _nothing_committed(report: AgentReport) -> Iterator[str]:
    if all(at.committed < 0 for at in report.partitions):
        yield "the group has committed nothing yet: all records without an outcome are in flight"


def _num_open(ledger: Ledger) -> int:
    return int(np.count_nonzero(~(ledger.has_outcome | ledger.has(TOMBSTONE))))


def _partitions(partitions: Sequence[PartitionRange]) -> str:
    return partitions_of([at.partition for at in partitions])


def _ranges(ranges: Sequence[RemovedRange]) -> str:
    return named(map(str, ranges))
