"""Dead letters on a real topic: counted, replayed and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from agents.commands.dlq import Letter, Selection, State, drop, read_letters, replay, summarize
from agents.commands.dlq.letters import identities
from agents.commands.dlq.settling import Sender
from schemas import InputError, Origin, Replay, TooLargeError
from streams.kafka.errors import BrokerError
from tests.agents.commands.hand_made import AGENT, HandMade

EVERYTHING = Selection()


@pytest.fixture
def pipeline(embedded_bootstrap: str) -> HandMade:
    return HandMade(embedded_bootstrap)


def letters(pipeline: HandMade) -> list[Letter]:
    pipeline.flush()
    return list(read_letters(pipeline.settings))


def states(pipeline: HandMade) -> list[State]:
    return [letter.state for letter in letters(pipeline)]


def run(pipeline: HandMade, **options: Any) -> Any:
    pipeline.flush()
    return replay(pipeline.settings, options.pop("selection", EVERYTHING), **options)


def test_a_letter_is_read_whole(pipeline: HandMade) -> None:
    headers = [("mine", b"1"), ("ce_id", b"mine")]
    pipeline.letter(7, 2, value=b"\x00\xff", key=b"\xfe", headers=headers)
    (letter,) = letters(pipeline)
    assert letter.identity == f"{pipeline.name}.dlq:2:0"
    assert (letter.key, letter.value, letter.headers) == (b"\xfe", b"\x00\xff", headers)
    assert letter.details.origin == Origin(pipeline.name, 2, 7)
    assert (letter.state, letter.num_replays, letter.is_whole) == (State.OPEN, 0, True)


def test_headers_that_look_like_penstocks_stay_the_originals(pipeline: HandMade) -> None:
    headers = [("__penstock.errors.topic", b"forged"), ("ce_type", b"penstock.settlement.v1")]
    pipeline.letter(7, headers=headers)
    (letter,) = letters(pipeline)
    assert letter.headers == headers
    assert letter.details.origin.topic == pipeline.name


def test_records_that_are_not_letters_are_skipped(pipeline: HandMade) -> None:
    topic = pipeline.dead_letters
    pipeline.send(topic, b"hello")
    pipeline.send(topic, None, headers=[("__penstock.errors.topic", b"t")])
    assert letters(pipeline) == []


def test_letters_are_counted_by_kind(pipeline: HandMade) -> None:
    for offset in range(3):
        pipeline.letter(offset)
    pipeline.letter(0, 1)
    pipeline.letter(9, error=TooLargeError("large"))
    drop(pipeline.settings, Selection(identities=frozenset({letters(pipeline)[0].identity})))
    groups = summarize(letters(pipeline))
    assert [(g.reason, g.error, g.partition, g.open, g.dropped) for g in groups] == [
        ("decode_error", "DecodeError", 0, 2, 1),
        ("too_large", "TooLargeError", 0, 1, 0),
        ("decode_error", "DecodeError", 1, 1, 0),
    ]
    assert 0 < groups[0].first_ms <= groups[0].last_ms


def test_letters_are_selected_by_each_condition(pipeline: HandMade) -> None:
    pipeline.letter(0)
    pipeline.letter(1, error=TooLargeError("large"))
    pipeline.letter(2, agent="another")
    found = letters(pipeline)
    failed_ms = found[0].details.failed_at_ms

    def selected(**fields: Any) -> list[int]:
        selection = Selection(**fields)
        return [letter.details.origin.offset for letter in found if selection.has(letter)]

    assert selected() == [0, 1, 2]
    assert selected(agents=[AGENT]) == [0, 1]
    assert selected(reasons=["too_large"]) == [1]
    assert selected(since_ms=failed_ms + 60_000) == []
    assert selected(until_ms=failed_ms) == []
    assert selected(identities=frozenset({f"{pipeline.name}.dlq:0:2"})) == [2]


def test_identities_are_parsed_from_names(pipeline: HandMade) -> None:
    dlq = f"{pipeline.name}.dlq"
    assert identities(["1:2", f"{dlq}:03:4"], pipeline.settings, ()) == {f"{dlq}:1:2", f"{dlq}:3:4"}
    for wrong in ("1", "x:1", "other:1:2", "1:-2"):
        with pytest.raises(ValueError, match=wrong):
            identities([wrong], pipeline.settings, ())


def test_a_replay_sends_the_original_to_its_partition_and_marks_the_letter(
    pipeline: HandMade,
) -> None:
    headers = [("mine", b"\xff"), ("mine", b"2"), ("ce_time", b"2026-01-31T12:00:00Z")]
    pipeline.letter(7, 2, value=b"\x00", key=b"\xfe", headers=headers)
    assert run(pipeline).num_replayed == 1
    (sent,) = pipeline.read(pipeline.name, 2)
    assert (sent.key(), sent.value()) == (b"\xfe", b"\x00")
    assert sent.headers()[:3] == headers
    sent_replay = Replay.from_headers(sent.headers())
    assert sent_replay is not None
    assert (sent_replay.origin, sent_replay.attempt) == (Origin(pipeline.name, 2, 7), 1)
    assert sent_replay.letter == Origin(f"{pipeline.name}.dlq", 2, 0)
    assert states(pipeline) == [State.REPLAYED]
    again = run(pipeline)
    assert (again.num_replayed, again.num_settled) == (0, 1)
    assert len(pipeline.read(pipeline.name, 2)) == 1


def test_the_event_time_of_a_record_without_one_is_kept(pipeline: HandMade) -> None:
    pipeline.letter(7, timestamp_ms=1_700_000_000_250)
    run(pipeline)
    (sent,) = pipeline.read(pipeline.name)
    assert dict(sent.headers())["ce_time"] == b"2023-11-14T22:13:20.250Z"


def test_attempts_are_counted_and_limited(pipeline: HandMade) -> None:
    pipeline.letter(0)
    for attempt in (1, 2, 3):
        assert run(pipeline).num_replayed == 1
        sent = pipeline.read(pipeline.name)[-1]
        sent_replay = Replay.from_headers(sent.headers())
        assert sent_replay is not None
        assert (sent_replay.attempt, sent_replay.origin.offset) == (attempt, 0)
        # The record fails again: write the dead letter that a worker would write.
        pipeline.letter(sent.offset() or 0, value=sent.value() or b"", headers=sent.headers())
    found = run(pipeline)
    assert found.num_replayed == 0
    assert dict(found.left) == {"replayed 3 times already": 1}
    assert run(pipeline, max_attempts=4).num_replayed == 1
    assert [name for name, _ in pipeline.read(pipeline.name)[-1].headers()].count(
        "__penstock.replay.origin"
    ) == 1


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Make the command fail between sending and marking."""
    with monkeypatch.context() as patch:

        def fail(self: Sender, settlements: object) -> None:
            raise BrokerError("gone")

        patch.setattr(Sender, "settle", fail)
        yield patch


def test_a_crash_before_the_mark_repeats_the_record_but_counts_it_once(
    pipeline: HandMade, breaking: pytest.MonkeyPatch
) -> None:
    pipeline.records(1)
    pipeline.letter(0)
    with pytest.raises(BrokerError):
        run(pipeline)
    breaking.undo()
    assert run(pipeline).num_replayed == 1
    _, first, second = pipeline.read(pipeline.name)
    letter_of = [Replay.from_headers(m.headers()) for m in (first, second)]
    assert letter_of[0].letter == letter_of[1].letter  # type: ignore[union-attr]
    pipeline.result(1, key=pipeline.key(0))
    pipeline.result(2, key=pipeline.key(0))
    pipeline.commit(3)
    found = pipeline.audit(is_drained=True)
    assert found.is_proven, found.culprits
    assert (found.records, found.answered, found.settled, found.repeats) == (1, 1, 1, 1)


def original(pipeline: HandMade, value: bytes = b"secret") -> int:
    """Publish a record; returns its timestamp, ms."""
    pipeline.send(pipeline.name, value, pipeline.key(0), [("mine", b"1")])
    pipeline.flush()
    _, timestamp_ms = pipeline.read(pipeline.name)[0].timestamp()
    return int(timestamp_ms)


def test_without_payload_the_original_is_read_from_the_input(pipeline: HandMade) -> None:
    pipeline.letter(0, value=b"secret", payload="none", timestamp_ms=original(pipeline))
    assert letters(pipeline)[0].value == b""
    assert run(pipeline).num_replayed == 1
    first, sent = pipeline.read(pipeline.name)
    assert (sent.key(), sent.value()) == (first.key(), b"secret")
    assert sent.headers()[0] == ("mine", b"1")


def test_the_original_of_a_cut_letter_is_read_from_the_input(pipeline: HandMade) -> None:
    value = b"x" * 5_000
    timestamp_ms = original(pipeline, value)
    pipeline.letter(0, value=value, max_bytes=2_000, timestamp_ms=timestamp_ms)
    assert len(letters(pipeline)[0].value) < 2_000
    assert run(pipeline).num_replayed == 1
    assert pipeline.read(pipeline.name)[1].value() == value


@pytest.mark.parametrize(
    ("offset", "value", "later_ms", "why"),
    [
        (0, b"secret", 1, "its timestamp differs"),
        (0, b"secrets", 0, "its size differs"),
        (5, b"secret", 0, "no longer has the record"),
    ],
)
def test_another_record_at_the_offset_is_not_replayed(
    pipeline: HandMade, offset: int, value: bytes, later_ms: int, why: str
) -> None:
    at = original(pipeline) + later_ms
    pipeline.letter(offset, value=value, payload="none", timestamp_ms=at)
    found = run(pipeline)
    assert found.num_replayed == 0
    ((reason, count),) = found.left.items()
    assert why in reason
    assert count == 1
    assert states(pipeline) == [State.OPEN]


def test_a_dry_run_changes_nothing(pipeline: HandMade) -> None:
    pipeline.letter(0)
    assert run(pipeline, is_dry=True).num_replayed == 1
    assert drop(pipeline.settings, EVERYTHING, is_dry=True) == 1
    assert states(pipeline) == [State.OPEN]
    assert pipeline.read(pipeline.name) == []


def test_a_limit_leaves_the_rest_for_the_next_run(pipeline: HandMade) -> None:
    for offset in range(500):
        pipeline.letter(offset)
    assert run(pipeline, limit=300).num_replayed == 300
    assert run(pipeline).num_replayed == 200
    sent = [Replay.from_headers(m.headers()) for m in pipeline.read(pipeline.name)]
    assert [replay.origin.offset for replay in sent if replay] == list(range(500))


def test_letters_of_other_pipelines_stay_open(pipeline: HandMade) -> None:
    pipeline.letter(0, agent="another")
    pipeline.letter(0, topic="victim")
    found = run(pipeline)
    assert found.num_replayed == 0
    assert found.left.total() == 2


def test_a_letter_stays_open_if_the_input_topic_refuses_it(
    pipeline: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.commands.dlq.settling._MAX_BYTES", 2_000)
    pipeline.letter(0, value=b"x" * 5_000)
    pipeline.letter(1)
    found = run(pipeline)
    assert found.num_replayed == 1
    assert [why.split(":")[0] for why in found.left] == [f"{pipeline.name} refuses it"]
    assert states(pipeline) == [State.OPEN, State.REPLAYED]


def test_dropped_letters_are_not_replayed(pipeline: HandMade) -> None:
    pipeline.letter(0)
    pipeline.letter(1, error=InputError("never mind"))
    pipeline.flush()
    assert drop(pipeline.settings, Selection(reasons=["invalid_input"])) == 1
    assert states(pipeline) == [State.OPEN, State.DROPPED]
    found = run(pipeline)
    assert (found.num_replayed, found.num_settled) == (1, 1)
    assert drop(pipeline.settings, EVERYTHING) == 0


def test_an_audit_does_not_count_marks(pipeline: HandMade) -> None:
    pipeline.records(2)
    pipeline.letter(0)
    pipeline.letter(1)
    pipeline.commit(2)
    pipeline.flush()
    drop(pipeline.settings, EVERYTHING)
    found = pipeline.audit(is_drained=True)
    assert found.is_proven
    assert (found.dead_lettered, found.letters, found.foreign) == (2, 2, 0)
