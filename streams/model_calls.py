"""Makes the calls of an agent's models: times each, and repeats it while the model is unavailable.

A model that raises `Unavailable` can't answer now: a service that it calls is away or busy. The
batch waits on the model's own thread and is tried again with a growing pause. Behind it the agent's
queue fills up, so the intake pauses the partitions; nothing is dead-lettered. `/ready` and the log
say what is waited for.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, TypeVarTuple, Unpack

from schemas.errors import Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")
Args = TypeVarTuple("Args")

#: Between two tries, unless the model says how long to wait.
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.1, 5.0
#: A service may ask for a longer pause, but no call is left for longer than this.
_LONGEST_PAUSE_SECONDS = 60.0


class ModelCalls:
    """The calls of one agent's models; thread-safe.

    `Health` uses the times to tell a slow call from one that hangs. Waiting does not count.
    """

    def __init__(
        self,
        agent: str,
        on_waited: Callable[[float], None] = lambda seconds: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wait for nothing yet.

        Args:
            agent: its name, for logs.
            on_waited: called after each pause with its seconds, on the thread that waited.
            clock: monotonic, seconds.
        """
        self._agent = agent
        self._on_waited = on_waited
        self._clock = clock
        self._started: dict[object, float] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._waiting: dict[object, str] = {}
        """Why each call waits that waits now."""
        self._away_since: float | None = None

    def run(self, call: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """Call and return its answer; call again for as long as it raises `Unavailable`.

        Raises:
            Exception: any other that the call raises.
            asyncio.CancelledError: `close` was called while it waited.
        """
        return self.patiently(self._timed, call, *args)

    def patiently(self, call: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        """As `run`, for a call that may take any time, such as loading."""
        token = object()
        pause = _FIRST_PAUSE_SECONDS
        try:
            while True:
                try:
                    return call(*args)
                except Unavailable as error:
                    self._note_absence(token, error)
                    self._wait(min(max(pause, error.retry_after_seconds), _LONGEST_PAUSE_SECONDS))
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        finally:
            if token in self._waiting:
                self._note_end(token)

    def _timed(self, call: Callable[[Unpack[Args]], T], *args: *Args) -> T:
        token = object()
        self._started[token] = self._clock()
        try:
            return call(*args)
        finally:
            del self._started[token]

    def _wait(self, seconds: float) -> None:
        started = self._clock()
        is_closed = self._closed.wait(seconds)
        self._on_waited(self._clock() - started)
        if is_closed:
            raise asyncio.CancelledError

    def _note_absence(self, token: object, error: Unavailable) -> None:
        with self._lock:
            self._waiting[token] = str(error) or "its model is unavailable"
            if self._away_since is not None or self._closed.is_set():
                return
            self._away_since = self._clock()
        logger.warning(
            "%s: %s: waiting for it; nothing is lost, /ready fails meanwhile", self._agent, error
        )

    def _note_end(self, token: object) -> None:
        with self._lock:
            del self._waiting[token]
            if self._waiting or self._away_since is None:
                return
            since, self._away_since = self._away_since, None
        if not self._closed.is_set():
            logger.warning("%s: its model answers again, after %.0f s",
                           self._agent, self._clock() - since)  # fmt: skip

    @property
    def problem(self) -> str:
        """What calls wait for, in words; "" if none waits."""
        with self._lock:
            since, reasons = self._away_since, list(self._waiting.values())
        if since is None or not reasons:
            return ""
        return f"{reasons[-1]}, for {self._clock() - since:.0f} s"

    def longest_seconds(self) -> float:
        """Return how long the oldest running call has taken so far; 0 if none is running."""
        started = list(self._started.values())
        return self._clock() - min(started) if started else 0.0

    def close(self) -> None:
        """End the waiting: calls that wait now or later raise `asyncio.CancelledError`."""
        self._closed.set()


class PatientModel:
    """A model's two prediction methods, each called through `ModelCalls`."""

    def __init__(self, model: Any, calls: ModelCalls) -> None:
        self._model = model
        self._calls = calls

    def predict_batch(self, batch: Sequence[Any]) -> Sequence[Any]:
        """Return B answers for B events."""
        answers: Sequence[Any] = self._calls.run(self._model.predict_batch, batch)
        return answers

    def predict_prepared(self, prepared: Any) -> Sequence[Any]:
        """Answer what `prepare_batch` returned."""
        answers: Sequence[Any] = self._calls.run(self._model.predict_prepared, prepared)
        return answers
