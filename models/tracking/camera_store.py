"""States of cameras: a bounded number of them, the one seen least recently is dropped first."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

S = TypeVar("S")


class CameraStore(Generic[S]):
    """Keeps a state for each camera that was seen recently."""

    def __init__(self, model: str, max_cameras: int, make: Callable[[], S]) -> None:
        if max_cameras < 1:
            raise ValueError(f"max_cameras is {max_cameras}: expected at least 1")
        self._model, self._max_cameras, self._make = model, max_cameras, make
        self._states: dict[str, S] = {}
        self.num_dropped = 0
        """Cameras that were dropped because there were too many."""
        self._num_reported = 0

    def take_incidents(self) -> dict[str, int]:
        """Return how many cameras were dropped since the last call."""
        number, self._num_reported = self.num_dropped - self._num_reported, self.num_dropped
        return {"evicted_key": number}

    def get(self, source_id: str) -> S:
        """Return a camera's state; a fresh one if it is not known. Changes nothing."""
        state = self._states.get(source_id)
        return self._make() if state is None else state

    def put(self, source_id: str, state: S) -> None:
        """Remember a camera's state as the one seen most recently."""
        self._states.pop(source_id, None)
        self._states[source_id] = state
        while len(self._states) > self._max_cameras:
            dropped = next(iter(self._states))
            del self._states[dropped]
            if not self.num_dropped:
                logger.warning(
                    "model %s: more than %d cameras (max_cameras): those seen least recently are "
                    "forgotten, first %r", self._model, self._max_cameras, dropped,
                )  # fmt: skip
            self.num_dropped += 1

    def items(self) -> Iterator[tuple[str, S]]:
        """Yield the cameras, the one seen least recently first."""
        yield from self._states.items()

    def replace(self, states: dict[str, S], num_dropped: int) -> None:
        """Take other states, in the order of `items`."""
        self._states, self.num_dropped = states, num_dropped
        self._num_reported = num_dropped
