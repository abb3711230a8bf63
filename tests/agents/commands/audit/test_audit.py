"""The audit finds every kind of fault in hand-made topics, and reports nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.commands.audit import Problem, Verdict, audit_pipeline
from schemas import Origin, Replay
from schemas.replay import REPLAY_PREFIX
from tests.agents.commands.hand_made import HandMade
from tests.raw_records import send_raw


@pytest.fixture
def pipeline(embedded_bootstrap: str) -> HandMade:
    return HandMade(embedded_bootstrap)


def fill(pipeline: HandMade, count: int = 10, without: tuple[int, ...] = ()) -> None:
    """Write records, a result for each that is not in `without`, and commit all."""
    pipeline.records(count)
    for offset in range(count):
        if offset not in without:
            pipeline.result(offset)
    pipeline.commit(count)


def test_a_pipeline_without_fault_is_proven(pipeline: HandMade) -> None:
    fill(pipeline, without=(3, 7))
    pipeline.letter(3)
    pipeline.send(pipeline.input, None)  # offset 10: a tombstone
    pipeline.records(2, partition=1)
    pipeline.result(0, partition=1)
    pipeline.commit(11)
    pipeline.commit(1, partition=1)
    pipeline.result(7)  # late, but its key's last
    pipeline.result(1)  # a repeat
    found = pipeline.audit()
    assert found.is_proven, found.culprits
    assert (found.records, found.answered, found.dead_lettered) == (13, 10, 1)
    assert (found.filtered, found.in_flight, found.repeats) == (1, 1, 1)
    assert (found.results, found.letters) == (11, 1)


def test_each_of_several_inputs_has_its_own_report(embedded_bootstrap: str) -> None:
    pipeline = HandMade(embedded_bootstrap, more_inputs=["low"])
    low = pipeline.agent.inputs[1]
    fill(pipeline)
    for offset in range(3):
        pipeline.send(low, b"{}", pipeline.key(offset))
    pipeline.result(0, topic=low)
    pipeline.letter(1, topic=low, letters=f"{low}.dlq")
    pipeline.commit(3, topic=low)
    pipeline.audit()
    report = audit_pipeline(pipeline.settings)
    first, second = report.agents
    assert first.is_proven
    assert (first.input, first.records, first.answered) == (pipeline.input, 10, 10)
    assert (second.input, second.answered, second.dead_lettered) == (low, 1, 1)
    assert second.problems == {Problem.MISSING: 1}


def missing(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))


def unfinished(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.commit(3)


def differing(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, y=1.25)


def doubled(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3)


def doubled_letter(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.letter(3)
    pipeline.letter(3)


def out_of_order(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.result(3)  # after 6 and 9, which are of its key


def both_outcomes(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.letter(3)


def incomplete(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, index=1)
    pipeline.result(3, index=3)


def misplaced(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.result(3, to=1)


def misplaced_letter(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.letter(3, to=1)


def wrong_key(pipeline: HandMade) -> None:
    fill(pipeline, without=(9,))
    pipeline.result(9, key=b"key-1")


def alien_offset(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(10)


def alien_topic(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(1, topic="another")


def alien_partition(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(1, partition=4, to=0)


def absurd_offset(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(2**70)


def absurd_index(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, index=10**9)


def alien_letter(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.letter(77)


def answered_tombstone(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.send(pipeline.input, None, pipeline.key(10))
    pipeline.result(10)
    pipeline.commit(11)


def unreadable_value(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, value=b"\xff not JSON")


def without_origin(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, value=b'{"y": 1}')


def contradicting_id(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, result_id=f"{pipeline.name}:0:4:score:penstock.result.v1:0")


def unreadable_letter(pipeline: HandMade) -> None:
    fill(pipeline)
    headers = [("__penstock.errors.topic", b"\xff"), ("__penstock.errors.offset", b"many")]
    pipeline.send(pipeline.dead_letters, b"", headers=headers)


FAULTS = [
    (missing, Problem.MISSING, ("", 0, 3)),
    (unfinished, Problem.UNFINISHED, ("", 0, 3)),
    (differing, Problem.DIFFERING, (".out", 0, 10)),
    (doubled, Problem.DOUBLED, (".out", 0, 10)),
    (doubled_letter, Problem.DOUBLED, (".dlq", 0, 1)),
    (out_of_order, Problem.OUT_OF_ORDER, (".out", 0, 9)),
    (both_outcomes, Problem.BOTH_OUTCOMES, ("", 0, 3)),
    (incomplete, Problem.INCOMPLETE, (".out", 0, 11)),
    (misplaced, Problem.MISPLACED, (".out", 1, 0)),
    (misplaced_letter, Problem.MISPLACED, (".dlq", 1, 0)),
    (wrong_key, Problem.WRONG_KEY, (".out", 0, 9)),
    (alien_offset, Problem.ALIEN, (".out", 0, 10)),
    (alien_topic, Problem.ALIEN, (".out", 0, 10)),
    (alien_partition, Problem.ALIEN, (".out", 0, 10)),
    (absurd_offset, Problem.ALIEN, (".out", 0, 10)),
    (absurd_index, Problem.UNREADABLE, (".out", 0, 10)),
    (alien_letter, Problem.ALIEN, (".dlq", 0, 0)),
    (answered_tombstone, Problem.ALIEN, (".out", 0, 10)),
    (unreadable_value, Problem.UNREADABLE, (".out", 0, 10)),
    (without_origin, Problem.UNREADABLE, (".out", 0, 10)),
    (contradicting_id, Problem.UNREADABLE, (".out", 0, 10)),
    (unreadable_letter, Problem.UNREADABLE, (".dlq", 0, 0)),
]


@pytest.mark.parametrize(
    ("make", "problem", "where"), FAULTS, ids=lambda x: getattr(x, "__name__", "")
)
def test_each_fault_is_found_and_named(
    pipeline: HandMade,
    make: Callable[[HandMade], None],
    problem: Problem,
    where: tuple[str, int, int],
) -> None:
    make(pipeline)
    found = pipeline.audit(is_drained=True, repeats_allowed=problem is not Problem.DOUBLED)
    assert dict(found.problems) == {problem: 1}, found.culprits
    (culprit,) = found.culprits
    suffix, partition, offset = where
    assert (culprit.topic, culprit.partition) == (pipeline.name + suffix, partition)
    assert culprit.offset == offset


def test_records_above_the_committed_offset_are_in_flight_unless_drained(
    pipeline: HandMade,
) -> None:
    unfinished(pipeline)
    found = pipeline.audit()
    assert found.is_proven
    assert (found.in_flight, found.answered) == (1, 9)


def test_without_commits_all_records_are_in_flight(pipeline: HandMade) -> None:
    pipeline.records(5)
    found = pipeline.audit()
    assert (found.in_flight, found.problems) == (5, {})
    assert "committed nothing" in found.notes[0]
    # Nothing is wrong, but nothing is shown either.
    assert found.verdict == Verdict.NOT_PROVABLE
    pipeline.result(0)
    assert pipeline.audit().is_proven


def test_offsets_that_were_set_forward_by_hand_pass_over_a_range(pipeline: HandMade) -> None:
    fill(pipeline, 50, without=tuple(range(20, 40)))
    found = pipeline.audit()
    assert found.problems == {Problem.MISSING: 20}
    assert found.notes == [f"missing in {pipeline.name}: [0] offsets 20-39"]


def test_offsets_that_were_set_back_by_hand_cause_only_repeats(pipeline: HandMade) -> None:
    fill(pipeline, 50)
    pipeline.commit(20)
    assert pipeline.audit(is_drained=True).is_proven
    pipeline.result(20)
    assert pipeline.audit(repeats_allowed=False).problems[Problem.DOUBLED] == 1


def test_missing_output_is_allowed_if_the_file_says_so(embedded_bootstrap: str) -> None:
    pipeline = HandMade(embedded_bootstrap, answers="sometimes")
    missing(pipeline)
    found = pipeline.audit()
    assert found.is_proven
    assert found.without_output == 1
    assert pipeline.audit(expects_answers=True).problems == {Problem.MISSING: 1}


def test_a_repeat_within_the_tolerance_is_equal(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.result(3, y=1.0000001)
    pipeline.result(4, y=1.01)
    found = pipeline.audit(tolerance=1e-6)
    assert found.problems == {Problem.DIFFERING: 1}
    assert (found.culprits[0].offset, found.repeats) == (11, 2)
    assert pipeline.audit(tolerance=0.1).is_proven
    assert pipeline.audit().problems == {Problem.DIFFERING: 2}


def test_several_results_per_record_and_their_repeats(pipeline: HandMade) -> None:
    pipeline.records(3)
    for offset in range(3):
        for index in range(3):
            pipeline.result(offset, index, index=index)
    pipeline.result(1, 0, index=0)
    pipeline.result(1, 1, index=1)
    pipeline.result(2, 8, index=2)  # another value than before
    pipeline.commit(3)
    found = pipeline.audit(is_drained=True)
    assert (found.results, found.repeats, found.answered) == (12, 3, 3)
    assert found.problems == {Problem.DIFFERING: 1}
    assert found.culprits[0].offset == 11


def test_an_answered_replay_settles_the_dead_letter(pipeline: HandMade) -> None:
    fill(pipeline, without=(3, 4))
    pipeline.letter(3)
    pipeline.letter(4)
    first, second = (Origin(pipeline.name, 0, offset) for offset in (3, 4))
    for origin, attempt in ((first, 1), (second, 1), (second, 2), (second, 3)):
        headers = Replay(origin=origin, attempt=attempt).to_headers()
        pipeline.send(pipeline.input, b"{}", pipeline.key(origin.offset), headers)
    pipeline.result(10, key=pipeline.key(3))
    pipeline.letter(11)
    pipeline.result(12, key=pipeline.key(4))
    pipeline.result(13, key=pipeline.key(4))  # replayed twice, answered twice
    pipeline.commit(14)
    found = pipeline.audit(is_drained=True)
    assert found.is_proven, found.culprits
    assert (found.records, found.answered, found.dead_lettered) == (10, 10, 0)
    assert (found.replays, found.settled, found.repeats) == (4, 2, 1)


def test_a_lost_replay_is_missing(pipeline: HandMade) -> None:
    fill(pipeline, without=(3,))
    pipeline.letter(3)
    headers = Replay(origin=Origin(pipeline.name, 0, 3)).to_headers()
    pipeline.send(pipeline.input, b"{}", headers=headers)
    pipeline.commit(11)
    found = pipeline.audit()
    assert found.problems == {Problem.MISSING: 1}
    assert found.culprits[0].offset == 10
    assert found.dead_lettered == 1


def test_a_forged_replay_header_hides_nothing(pipeline: HandMade) -> None:
    headers = [(REPLAY_PREFIX + "origin", b"nonsense")]
    pipeline.send(pipeline.input, b"{}", pipeline.key(0), headers)
    pipeline.commit(1)
    found = pipeline.audit()
    assert (found.records, found.replays) == (1, 0)
    assert found.problems == {Problem.MISSING: 1}


def test_header_names_may_be_any_bytes(pipeline: HandMade) -> None:
    foreign = [(b"\xff", b"x"), (b"ce_source", b"penstock/score")]
    for topic in (pipeline.input, pipeline.agent.output, pipeline.dead_letters):
        asyncio.run(send_raw(pipeline.servers, topic, 0, [(b"k", b"{}", foreign)] * 3))
    for offset in range(3):
        pipeline.result(offset, key=b"k")
    pipeline.commit(3)
    found = pipeline.audit(is_drained=True)
    assert found.is_proven, found.culprits
    assert (found.answered, found.foreign) == (3, 6)


def test_records_of_other_programs_are_counted_but_not_judged(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.send(pipeline.agent.output, b"hello")
    pipeline.result(3, agent="another")
    pipeline.letter(3, agent="another")
    found = pipeline.audit()
    assert found.is_proven
    assert found.foreign == 3


def test_only_the_first_culprits_are_named_but_all_are_counted(pipeline: HandMade) -> None:
    pipeline.records(500)
    pipeline.commit(500)
    found = pipeline.audit()
    assert found.problems == {Problem.MISSING: 500}
    assert [culprit.offset for culprit in found.culprits] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("compression", ["gzip", "lz4", "snappy", "zstd"])
def test_compressed_topics(embedded_bootstrap: str, compression: str) -> None:
    pipeline = HandMade(embedded_bootstrap, compression=compression)
    fill(pipeline, 2_000, without=(1_500,))
    found = pipeline.audit()
    assert (found.answered, found.problems) == (1_999, {Problem.MISSING: 1})
    assert found.culprits[0].offset == 1_500


def test_records_whose_output_was_removed_are_not_provable(pipeline: HandMade) -> None:
    # The embedded broker keeps about 5 MB a partition: the output's first part goes.
    pipeline.records(80)
    for offset in range(80):
        pipeline.result(offset)
        pipeline.send(pipeline.agent.output, b"x" * 100_000)
    pipeline.commit(80)
    found = pipeline.audit(is_drained=True)
    assert found.verdict == Verdict.NOT_PROVABLE, found.culprits
    assert found.removed_output > 0
    assert found.removed_output + found.answered == 80
    assert "that may have been theirs" in found.doubts[0]


def test_nothing_is_committed_and_no_group_is_joined(pipeline: HandMade) -> None:
    fill(pipeline)
    pipeline.commit(4)
    pipeline.audit()
    consumer = Consumer({"bootstrap.servers": pipeline.servers, "group.id": pipeline.name})
    (at,) = consumer.committed([TopicPartition(pipeline.name, 0)], timeout=10)
    consumer.close()
    assert at.offset == 4


def test_an_unknown_agent_is_an_error(pipeline: HandMade) -> None:
    with pytest.raises(ValueError, match=r"no agent 'scorre': the pipeline file has score"):
        pipeline.audit(agents=["scorre"])
