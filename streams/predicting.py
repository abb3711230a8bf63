"""One model call that can't fail: whatever goes wrong, every event gets an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from schemas import InputError
from schemas.errors import ModelFailedError, OutOfMemoryError, ProcessLostError
from streams.out_of_memory import BatchSizeLimit, drop_frames, is_out_of_memory
from streams.protocols import PreparingModel, ServedModel


class PreparedCalls(Protocol):
    """What answers prepared batches."""

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Answer B events."""
        ...

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        ...


Predict = Callable[[Sequence[Any]], Sequence[Any]]


@dataclass(slots=True)
class Prepared:
    """What `prepare_batch` returned, or what it raised; given away once, so that it can be freed.

    It may hold memory on the device, which a second try in halves needs.
    """

    value: Any

    def take(self) -> Any:
        """Return the value and forget it."""
        value, self.value = self.value, None
        return value


def predict_each(
    predict: Predict,
    events: Sequence[Any],
    attempts: int = 1,
    limit: BatchSizeLimit | None = None,
) -> list[Any]:
    """Answer every event; if the batch raises, halve it until the culprit is alone.

    Args:
        predict: N events in, N answers out.
        events: N >= 1 events.
        attempts: how often these events have been tried, this time included.
        limit: the largest batch that the device has memory for, and who learns if it is less;
            None if that is nobody's concern.

    Returns:
        N answers in input order. A batch that a model's process was lost with is tried once more
        before it is halved: something else may have killed it. An event that the model raises on
        has its `InputError`.
    """
    if limit is not None and len(events) > limit.size:
        return _halves(predict, events, attempts, limit)
    tried = _try(predict, events, len(events))
    return _settle(predict, events, tried, attempts, limit)


def _try(predict: Callable[[Any], Sequence[Any]], batch: Any, size: int) -> list[Any] | Exception:
    """Return a call's answers, or what it raised."""
    try:
        answers = predict(batch)
        if len(answers) == size:
            return list(answers)
        raise ValueError(
            f"{size} events in, {len(answers)} answers out: predict_batch must return "
            "one answer an event, in order (None for no result)"
        )
    except Exception as error:
        drop_frames(error)
        return error


def _settle(
    predict: Predict,
    events: Sequence[Any],
    tried: list[Any] | Exception,
    attempts: int,
    limit: BatchSizeLimit | None,
) -> list[Any]:
    """Return the answers of a call, or those of its halves if it failed."""
    if not isinstance(tried, Exception):
        return tried
    if is_out_of_memory(tried):
        return _settle_memory(predict, events, tried, attempts, limit)
    if isinstance(tried, ProcessLostError):
        if attempts == 1:
            return predict_each(predict, events, 2, limit)
        tried.attempts = attempts
    if len(events) == 1:
        return [tried if isinstance(tried, InputError) else ModelFailedError(tried, attempts)]
    return _halves(predict, events, attempts + 1, limit)


def _settle_memory(
    predict: Predict,
    events: Sequence[Any],
    error: Exception,
    attempts: int,
    limit: BatchSizeLimit | None,
) -> list[Any]:
    """Answer by halves what did not fit, and learn from it whether so many ever fit."""
    if limit is not None:
        limit.ran_out()
    if len(events) == 1:
        if attempts == 1:  # what was freed just now may be enough
            return predict_each(predict, events, 2, limit)
        return [OutOfMemoryError(error, attempts)]
    answers = _halves(predict, events, attempts + 1, limit)
    # Where one event does not fit even alone, it is to blame, and not the size of its batch.
    if limit is not None and not any(isinstance(a, OutOfMemoryError) for a in answers):
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
    """Run the host-side half; an exception is carried along as the prepared value."""
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
    """Answer a prepared batch; if either half raised, fall back to halving the whole."""
    value = prepared.take()
    if limit is not None and len(events) > limit.size:  # lowered since it was formed
        del value
        return predict_each(model.predict_batch, events, 1, limit)
    if isinstance(value, Exception):
        tried: list[Any] | Exception = value
    else:
        tried = _try(model.predict_prepared, value, len(events))
    del value
    if not isinstance(tried, Exception) or is_out_of_memory(tried):
        return _settle(model.predict_batch, events, tried, 1, limit)
    if len(events) == 1 and isinstance(tried, InputError):
        return [tried]
    return predict_each(model.predict_batch, events, 2, limit)


def load(model: ServedModel, device: str) -> None:
    """Load and warm up, on the thread that will call it."""
    model.load(device)
    model.warm_up()
