"""Labels are joined with the events that they are about, within a bounded memory."""

from __future__ import annotations

import pytest

from models.feedback.waiting_events import WaitingEvents
from models.snapshots import pack, unpack
from schemas import Feedback

NONE = {"label_too_late": 0, "label_unknown": 0}


def filled(capacity: int = 5, count: int = 10) -> WaitingEvents:
    waiting = WaitingEvents(capacity)
    waiting.note(("in", 2), range(100, 100 + count))
    for offset in waiting.offsets_of(count):
        waiting.add(offset, f"e-{offset}", f"text {offset}")
    return waiting


def label(answer: str = "", about: str = "") -> Feedback:
    return Feedback(label="a", answer=answer, about=about)


def payload(waiting: WaitingEvents, by: Feedback) -> str | None:
    found = waiting.take(by)
    return found.payload if found else None


def test_by_the_id_of_the_answer_and_by_the_id_of_the_event() -> None:
    waiting = filled()
    assert payload(waiting, label("in:2:107:agent:penstock.nlu_result.v1:0")) == "text 107"
    assert payload(waiting, label(about="e-108")) == "text 108"
    assert waiting.take_incidents() == NONE


def test_a_repeated_label_is_ignored() -> None:
    waiting = filled()
    assert waiting.take(label("in:2:107"))
    assert waiting.take(label("in:2:107")) is None
    assert waiting.take(label(about="e-107")) is None
    assert waiting.take_incidents() == NONE


def test_only_the_last_events_are_remembered_and_late_labels_are_counted() -> None:
    waiting = filled(capacity=5)
    assert len(waiting) == 5
    assert waiting.take(label("in:2:104")) is None
    assert waiting.take(label("in:2:105"))
    assert waiting.take_incidents() == {"label_too_late": 1, "label_unknown": 0}
    assert waiting.take_incidents() == NONE


@pytest.mark.parametrize(
    "by", [label("in:2:200"), label("in:1:107"), label("other:2:107"), label(about="e-104")]
)
def test_labels_of_no_known_event_are_counted(by: Feedback) -> None:
    waiting = filled()
    assert waiting.take(by) is None
    assert waiting.take_incidents() == {"label_too_late": 0, "label_unknown": 1}


def test_of_two_events_with_one_id_a_label_means_the_later() -> None:
    waiting = WaitingEvents(5)
    waiting.add(1, "e", "old")
    waiting.add(2, "e", "new")
    assert payload(waiting, label(about="e")) == "new"
    for offset in range(3, 8):
        waiting.add(offset, "", "x")
    assert waiting.take(label(about="e")) is None


def test_without_an_engine_offsets_are_counted() -> None:
    waiting = WaitingEvents(5)
    assert list(waiting.offsets_of(3)) == [0, 1, 2]
    assert list(waiting.offsets_of(2)) == [3, 4]
    waiting.note(("in", 0), [10, 12])
    assert list(waiting.offsets_of(2)) == [10, 12]
    assert list(waiting.offsets_of(1)) == [13]


def test_a_snapshot_holds_all() -> None:
    waiting = filled()
    waiting.take(label("in:2:107"))
    state = pack("m", 1, {}, waiting.names(), waiting.arrays())
    again = WaitingEvents.load(5, unpack(state, "m", 1, {}))
    assert pack("m", 1, {}, again.names(), again.arrays()) == state
    assert payload(again, label(about="e-108")) == "text 108"
    assert again.take(label("in:2:107")) is None
    assert again.take(label("in:2:101")) is None
    assert again.take_incidents() == {"label_too_late": 1, "label_unknown": 0}
