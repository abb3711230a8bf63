"""One model call that can't fail: whatever goes wrong, every event gets an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from schemas import InputError
from streams.protocols import PreparingModel, ServedModel

Predict = Callable[[Sequence[Any]], Sequence[Any]]


class ModelFailedError(InputError):
    """The model raised on this event alone; `__cause__` is what it raised."""

    reason = "model_error"

    def __init__(self, error: Exception, attempts: int) -> None:
        super().__init__(f"the model raised {type(error).__name__}: {error}")
        self.__cause__ = error
        self.attempts = attempts


def predict_each(predict: Predict, events: Sequence[Any], attempts: int = 1) -> list[Any]:
    """Answer every event; if the batch raises, halve it until the culprit is alone.

    Args:
        predict: N events in, N answers out.
        events: N >= 1 events.
        attempts: how often these events have been tried, this time included.

    Returns:
        N answers in input order; an event that the model raises on has its `InputError`.
    """
    try:
        answers = predict(events)
        if len(answers) == len(events):
            return list(answers)
        raise ValueError(
            f"{len(events)} events in, {len(answers)} answers out: predict_batch must return "
            "one answer an event, in order (None for no result)"
        )
    except Exception as error:
        if len(events) == 1:
            return [error if isinstance(error, InputError) else ModelFailedError(error, attempts)]
    half = len(events) // 2
    return [
        *predict_each(predict, events[:half], attempts + 1),
        *predict_each(predict, events[half:], attempts + 1),
    ]


def prepare(model: PreparingModel, events: Sequence[Any]) -> Any:
    """Run the host-side half; an exception is carried along as the prepared value."""
    try:
        return model.prepare_batch(events)
    except Exception as error:
        return error


def predict_prepared(model: PreparingModel, prepared: Any, events: Sequence[Any]) -> list[Any]:
    """Answer a prepared batch; if either half raised, fall back to halving the whole."""
    if not isinstance(prepared, Exception):
        try:
            answers = model.predict_prepared(prepared)
            if len(answers) == len(events):
                return list(answers)
        except Exception as error:
            prepared = error
    if len(events) == 1 and isinstance(prepared, InputError):
        return [prepared]
    return predict_each(model.predict_batch, events, attempts=2)


def load(model: ServedModel, device: str) -> None:
    """Load and warm up, on the thread that will call it."""
    model.load(device)
    model.warm_up()
