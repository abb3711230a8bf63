"""How long model calls have been under way: what tells a slow call from one that hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class CallClock:
    """The calls of one agent that have begun and not returned; any thread may use it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[object, float] = {}

    def timed(self, call: Callable[P, T]) -> Callable[P, T]:
        """Return the callable with each of its calls timed."""

        def timed_call(*args: P.args, **kwargs: P.kwargs) -> T:
            token = object()
            self._began[token] = self._clock()
            try:
                return call(*args, **kwargs)
            finally:
                del self._began[token]

        return timed_call

    def longest_seconds(self) -> float:
        """Return how long the oldest call has been under way, 0 if there is none."""
        began = list(self._began.values())
        return self._clock() - min(began) if began else 0.0


class TimedCalls:
    """A model's two ways to answer, each call timed; fits whatever the model fits."""

    def __init__(self, model: Any, clock: CallClock) -> None:
        self._model = model
        self._clock = clock

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Answer B events."""
        answers: Sequence[Any] = self._clock.timed(self._model.predict_batch)(batch)
        return answers

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        answers: Sequence[Any] = self._clock.timed(self._model.predict_prepared)(prepared)
        return answers
