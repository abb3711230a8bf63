"""Whatever can't be known is a doubt, and then nothing is proven; the rest is a note."""

from __future__ import annotations

from collections.abc import Iterable

from agents.commands.audit import AgentReport, Verdict
from agents.commands.audit.judging import Rules, judge
from agents.commands.audit.ledger import Ledger
from agents.commands.audit.limits import note_limits
from agents.commands.audit.report import PartitionRange

OLD, NEW = "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBB"


class Case:
    """One or more partitions of 100 records each; dead letters stand for outcomes."""

    def __init__(self, *answered: Iterable[int], num_held: int = 100) -> None:
        self.report = AgentReport("a", "in", "out", "in.dlq", topic_id=NEW)
        self.ledgers = []
        for partition, offsets in enumerate(answered):
            ledger = Ledger(self.report, partition, is_compacted=False)
            ledger.add(range(num_held), [0] * num_held, [0] * num_held)
            ledger.end = 100
            ledger.seal()
            for offset in offsets:
                ledger.dead_letter(offset, "in.dlq", offset)
            self.ledgers.append(ledger)

    def judge(
        self,
        committed: int = 100,
        committed_topic_id: str = NEW,
        *,
        is_here: bool = True,
        is_drained: bool = False,
        silence_allowed: bool = False,
        starts_at_latest: bool = False,
        log_start: int = 0,
    ) -> AgentReport:
        for ledger in self.ledgers:
            first = ledger.first_answered()
            self.report.partitions.append(
                PartitionRange(
                    partition=ledger.partition, log_start=log_start, audited_from=0, end=100,
                    committed=committed, committed_topic_id=committed_topic_id,
                    is_committed_here=is_here, first_answered=-1 if first is None else first,
                )
            )  # fmt: skip
        rules = Rules(
            committed=[committed if is_here else -1] * len(self.ledgers),
            is_drained=is_drained,
            repeats_allowed=True,
            silence_allowed=silence_allowed,
            starts_at_latest=starts_at_latest,
        )
        judge(self.ledgers, self.report, rules)
        note_limits(self.ledgers, self.report, rules, is_whole=True, can_be_made_again=True)
        return self.report


def test_without_limits_there_are_no_doubts_and_no_notes() -> None:
    report = Case(range(100), range(100)).judge()
    assert (report.verdict, report.doubts, report.notes) == (Verdict.PROVEN, [], [])


def test_a_committed_offset_of_an_earlier_topic() -> None:
    report = Case(range(40)).judge(committed_topic_id=OLD, is_here=False)
    assert (report.verdict, report.in_flight) == (Verdict.NOT_PROVABLE, 60)
    assert report.doubts == [
        f"the group's committed offsets are of an earlier topic in (id {OLD}, now {NEW}) in "
        "partition 0: they say nothing about this one, and 60 of its records have no outcome yet"
    ]
    report = Case(range(40)).judge(committed_topic_id=OLD, is_here=False, is_drained=True)
    assert (report.verdict, report.problems) == (Verdict.WRONG, {"unfinished": 60})
    # Where every record is answered, the offset is not needed.
    assert Case(range(100)).judge(committed_topic_id=OLD, is_here=False).is_proven


def test_a_committed_offset_beyond_the_end() -> None:
    report = Case(range(40)).judge(committed=5_000, is_here=False)
    assert report.verdict == Verdict.NOT_PROVABLE
    assert "beyond the end in partition 0 (5000 > 100)" in report.doubts[0]


def test_output_removed_before_its_retention() -> None:
    case = Case(range(40, 100))
    case.ledgers[0].doubt_below(40, expired_below=30)
    report = case.judge()
    assert (report.expired, report.removed_output, report.answered) == (30, 10, 0)
    assert report.verdict == Verdict.NOT_PROVABLE
    assert report.doubts[0].startswith("10 committed records have no output")


def test_output_removed_by_its_retention_is_no_alarm() -> None:
    case = Case(range(40, 100))
    case.ledgers[0].doubt_below(40, expired_below=40)
    report = case.judge()
    assert (report.verdict, report.expired, report.not_judged) == (Verdict.PROVEN, 40, 40)
    assert report.notes[0].startswith("40 committed records have no output any more")


def test_latest_begins_at_the_first_answer() -> None:
    report = Case(range(40, 100)).judge(starts_at_latest=True)
    assert (report.verdict, report.before_first) == (Verdict.PROVEN, 40)
    assert report.notes[0].startswith("40 records are before the first one")
    # Later records are still missing.
    report = Case([40, *range(60, 100)]).judge(starts_at_latest=True)
    assert (report.before_first, report.problems) == (40, {"missing": 19})


def test_latest_without_any_answer() -> None:
    # Committed up to 70: it began there at the latest, and 30 records are in flight.
    report = Case([], range(100)).judge(committed=70, starts_at_latest=True)
    assert (report.before_first, report.in_flight) == (70, 30)
    report = Case([], range(100)).judge(committed=-1, starts_at_latest=True, is_drained=True)
    assert (report.before_first, report.verdict) == (100, Verdict.NOT_PROVABLE)
    assert "answered and committed nothing in partition 0" in report.doubts[0]


def test_missing_records_before_the_first_answer_may_have_had_output() -> None:
    report = Case(range(40, 100)).judge()
    assert report.problems == {"missing": 40}
    assert report.notes[0] == "missing in in: [0] offsets 0-39"
    assert "if out was deleted and made again" in report.notes[1]
    report = Case([*range(20), *range(40, 100)]).judge()
    assert report.notes == ["missing in in: [0] offsets 20-39"]


def test_a_partition_without_output_although_the_others_have_some() -> None:
    # Of an agent that answers half of the records; another pipeline may have had partition 1.
    report = Case(range(0, 100, 2), [], range(0, 100, 2)).judge(silence_allowed=True)
    assert report.verdict == Verdict.NOT_PROVABLE
    assert "committed partition 1 without one result" in report.doubts[0]
    # Of one that answers hardly any, that is no wonder.
    report = Case([7], [], [50]).judge(silence_allowed=True)
    assert (report.verdict, report.without_output) == (Verdict.PROVEN, 298)


def test_older_output_and_output_without_topic_ids() -> None:
    case = Case(range(100))
    case.report.older, case.report.without_topic_id = 3, 8
    report = case.judge()
    assert report.verdict == Verdict.NOT_PROVABLE
    assert report.doubts[0].startswith("3 results and dead letters are older")
    assert report.notes[0].startswith("8 results and dead letters name no topic id")


def test_nothing_to_judge() -> None:
    report = Case([]).judge(committed=0)
    assert (report.verdict, report.in_flight) == (Verdict.NOT_PROVABLE, 100)
    assert report.doubts == ["none of the 100 records has an outcome that is known yet"]
    report = Case([], num_held=0).judge(log_start=100)
    assert report.doubts == ["in holds no record any more: nothing is left to judge"]
