"""A failing batch is halved until the bad event is alone; the other events get answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import InputError
from schemas.errors import ModelFailedError
from streams.predicting import predict_each, predict_prepared, prepare


def halve_evens(batch: Sequence[int]) -> list[float]:
    if any(x % 2 for x in batch):
        raise ArithmeticError("odd")
    return [x / 2 for x in batch]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_only_the_bad_events_fail(events: list[int]) -> None:
    answers = predict_each(halve_evens, events)
    assert len(answers) == len(events)
    for event, answer in zip(events, answers, strict=True):
        if event % 2:
            assert isinstance(answer, ModelFailedError)
            assert "ArithmeticError: odd" in str(answer)
        else:
            assert answer == event / 2


def test_one_bad_event_costs_about_two_calls_for_each_halving() -> None:
    calls: list[int] = []

    def count(batch: Sequence[int]) -> list[float]:
        calls.append(len(batch))
        return halve_evens(batch)

    answers = predict_each(count, [2] * 63 + [1])
    assert isinstance(answers[-1], ModelFailedError)
    assert answers[-1].attempts == 7
    assert len(calls) == 13


def test_a_wrong_number_of_answers_is_explained() -> None:
    answers = predict_each(lambda batch: [0] * (len(batch) + 1), [1])
    with pytest.raises(ModelFailedError, match="1 events in, 2 answers out"):
        raise answers[0]


def test_an_input_error_keeps_its_reason() -> None:
    class TooDarkError(InputError):
        reason = "too_dark"

    def predict(batch: Sequence[int]) -> list[int]:
        raise TooDarkError("no light")

    assert predict_each(predict, [1])[0].reason == "too_dark"


class Preparing:
    """Negates numbers in `prepare_batch`; fails to prepare 3 and to predict 5."""

    name, version = "preparing", "1"

    def load(self, device: str = "cpu") -> None: ...
    def warm_up(self) -> None: ...
    def close(self) -> None: ...

    def prepare_batch(self, batch: Sequence[int]) -> Any:
        if 3 in batch:
            raise ValueError("3")
        return [-x for x in batch]

    def predict_prepared(self, prepared: Any) -> list[int]:
        if -5 in prepared:
            raise ValueError("5")
        return list(prepared)

    def predict_batch(self, batch: Sequence[int]) -> list[int]:
        return self.predict_prepared(self.prepare_batch(batch))


@pytest.mark.parametrize("bad", [3, 5])
def test_failures_to_prepare_or_predict_affect_only_the_bad_event(bad: int) -> None:
    model, events = Preparing(), [1, 2, bad, 4]
    answers = predict_prepared(model, prepare(model, events), events)
    assert answers[:2] == [-1, -2]
    assert isinstance(answers[2], ModelFailedError)
    assert answers[3] == -4
