"""Calls a model so that every event gets an answer: a result or the error that it caused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas import InputError
from schemas.errors import ModelFailedError, OutOfMemoryError, ProcessLostError, Unavailable
from streams.model_protocols import PreparingModel, ServedModel
from streams.out_of_memory import BatchSizeLimit, drop_frames, is_out_of_memory


class PreparedCalls(Protocol):
    """The prediction methods of a model with prepared batches."""

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Return B answers for B events."""
        ...

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        ...


Predict = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(slots=True)
class Prepared:
    """The value that `prepare_batch` returned or raised; `take` it once, so that it can be freed.

    It may hold device memory, which a second attempt in halves needs.
    """

    value: Any

    def take(self) -> Any:
        """Return the value and drop this reference to it."""
        value, self.value = self.value, None
        return value


def predict_each(
    predict: Predict,
    events: Sequence[Any],
    attempts: int = 1,
    limit: BatchSizeLimit | None = None,
) -> list[Any]:
    """Answer every event; if the batch raises, halve it until the bad event is alone.

    Args:
        predict: returns N answers for N events.
        events: N >= 1 events.
        attempts: number of attempts with these events, including this one.
        limit: the largest batch that the device has memory for; lowered if this one does not fit.
            None: no limit.

    Returns:
        N answers in input order, with an `InputError` for each event on which the model raises.
        If the model's process died, the batch is tried once more before it is halved: the batch
        may not be the cause.
    """
    if limit is not None and len(events) > limit.size:
        return _halves(predict, events, attempts, limit)
    outcome = _try(predict, events, len(events))
    return _settle(predict, events, outcome, attempts, limit)


def _try(predict: Callable[[Any], Sequence[Any]], batch: Any, size: int) -> list[Any] | Exception:
    """Return a call's answers, or the exception that it raised."""
    try:
        answers = predict(batch)
        if len(answers) == size:
            return list(answers)
        raise ValueError(
            f"{size} events in, {len(answers)} answers out: predict_batch must return "
            "one answer for each event, in order (None for no result)"
        )
    except Exception as error:
        drop_frames(error)
        return error


def _settle(
    predict: Predict,
    events: Sequence[Any],
    outcome: list[Any] | Exception,
    attempts: int,
    limit: BatchSizeLimit | None,
) -> list[Any]:
    """Return the answers of a call, or of further attempts if it failed."""
    if not isinstance(outcome, Exception):
        return outcome
    if is_out_of_memory(outcome):
        return _settle_out_of_memory(predict, events, outcome, attempts, limit)
    if isinstance(outcome, ProcessLostError):
        if attempts == 1:
            return predict_each(predict, events, 2, limit)
        outcome.attempts = attempts
    if len(events) == 1:
        return [outcome if isinstance(outcome, InputError) else ModelFailedError(outcome, attempts)]
    return _halves(predict, events, attempts + 1, limit)


def _settle_out_of_memory(
    predict: Predict,
    events: Sequence[Any],
    error: Exception,
    attempts: int,
    limit: BatchSizeLimit | None,
) -> list[Any]:
    """Answer a batch that did not fit in halves, and lower the limit if its size was the cause."""
    if limit is not None:
        limit.ran_out()
    if len(events) == 1:
        if attempts == 1:  # the memory that `ran_out` freed may be enough
            return predict_each(predict, events, 2, limit)
        return [OutOfMemoryError(error, attempts)]
    answers = _halves(predict, events, attempts + 1, limit)
    # If an event does not fit even alone, that event is the cause, not the size of the batch.
    if limit is not None and not any(isinstance(answer, OutOfMemoryError) for answer in answers):
        limit.lower_to(len(events) - len(events) // 2)
    return answers


def _halves(
    predict: Predict, events: Sequence[Any], attempts: int, limit: BatchSizeLimit | None
) -> list[Any]:
    half = len(events) // 2
    return [
        *predict_each(predict, events[:half], attempts, limit),
        *predict_each(predict, events[half:], attempts, limit),
    ]


def prepare(model: PreparingModel, events: Sequence[Any]) -> Prepared:
    """Call `prepare_batch`; an exception becomes the prepared value."""
    try:
        return Prepared(model.prepare_batch(events))
    except Exception as error:
        drop_frames(error)
        return Prepared(error)


def predict_prepared(
    model: PreparedCalls,
    prepared: Prepared,
    events: Sequence[Any],
    limit: BatchSizeLimit | None = None,
) -> list[Any]:
    """Answer a prepared batch; if preparing or predicting raised, halve the batch."""
    value = prepared.take()
    if (
        limit is not None and len(events) > limit.size
    ):  # the limit was lowered after the batch was formed
        del value
        return predict_each(model.predict_batch, events, 1, limit)
    if isinstance(value, Exception):
        outcome: list[Any] | Exception = value
    else:
        outcome = _try(model.predict_prepared, value, len(events))
    del value
    if not isinstance(outcome, Exception) or is_out_of_memory(outcome):
        return _settle(model.predict_batch, events, outcome, 1, limit)
    if len(events) == 1 and isinstance(outcome, InputError):
        return [outcome]
    attempts = 1 if isinstance(outcome, Unavailable) else 2
    return predict_each(model.predict_batch, events, attempts, limit)


def load(model: ServedModel, device: str) -> None:
    """Load and warm up a model; called on the thread that will call its other methods."""
    model.load(device)
    model.warm_up()
