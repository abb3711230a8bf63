"""Light models for soaks: they load at once, and raise or hang on special numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec
import numpy as np

from models.base import Model, ModelError, OnlineModel
from schemas import Event

#: The model raises an error on this number.
POISON = 13.0
#: The model never returns from a call with this number.
HANGS = 666.0


class Number(Event, frozen=True, kw_only=True):
    """An event with one number."""

    x: float


class Doubling(Model[Number, dict[str, float]]):
    """Answers each number x with 2x.

    Args:
        batch_seconds: duration of a call.
        result_chars: length of a text added to each result, to make results large.
    """

    name, version, event_type = "soak_doubling", "1", Number

    def __init__(self, batch_seconds: float = 0.0, result_chars: int = 0) -> None:
        self._batch_seconds = batch_seconds
        self._padding = {"padding": "x" * result_chars} if result_chars else {}

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        """Return 2x for each number."""
        time.sleep(self._batch_seconds)
        if any(event.x == HANGS for event in batch):
            time.sleep(86_400)
        if any(event.x == POISON for event in batch):
            raise ArithmeticError(f"{POISON:g} brings bad luck")
        return [{"y": 2 * event.x, **self._padding} for event in batch]  # type: ignore[dict-item]


class _State(msgspec.Struct):
    """The snapshot of `Remembering`."""

    num_learned: int
    memory: bytes


class Remembering(Doubling, OnlineModel[Number, dict[str, float]]):
    """`Doubling` with a state of a given size, of which each learning step changes a little.

    Args:
        state_bytes: size of the state of each partition.
        doubling: options of `Doubling`.
    """

    name = "soak_remembering"

    def __init__(self, state_bytes: int, **doubling: float) -> None:
        super().__init__(**doubling)  # type: ignore[arg-type]
        self._num_learned, self._memory = 0, np.zeros(max(state_bytes // 8, 1))

    def learn_batch(self, batch: Sequence[Number]) -> None:
        """Remember the numbers in turn."""
        for event in batch:
            self._memory[self._num_learned % len(self._memory)] = event.x
            self._num_learned += 1

    def snapshot(self) -> bytes:
        """Return the state."""
        return msgspec.msgpack.encode(_State(self._num_learned, self._memory.tobytes()))

    def restore(self, state: bytes) -> None:
        """Replace the state."""
        try:
            restored = msgspec.msgpack.decode(state, type=_State)
        except msgspec.DecodeError as error:
            raise ModelError(f"no snapshot of {self.name}: {error}") from None
        self._num_learned = restored.num_learned
        self._memory = np.frombuffer(restored.memory).copy()
