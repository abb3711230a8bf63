"""Decodes records whose values name pictures elsewhere: several at a time, and only so many ahead.

A record whose store does not answer is tried again until it does; its partition waits with it, as
it does when the broker is away. Those of other stores go on, up to the next group of rows.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from schemas.errors import SourceAwayError
from streams.executor import run_on
from streams.ingest import Ingest, Ingested
from streams.records import RecordBatch

logger = logging.getLogger(__name__)

#: Records that are read at the same time. A group is decoded before the next one begins, so that
#: the pictures of a fetch of thousands are not all in memory.
NUM_AT_ONCE = 16
#: Between two tries while a store is away.
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.25, 5.0
#: How often waiting looks for the end of the worker or of the partition.
_LOOK_SECONDS = 0.25


class RowReads:
    """Reads the rows of one agent's record batches. Its methods run on the event loop."""

    def __init__(
        self, agent: str, ingest: Ingest, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start no thread yet.

        Args:
            agent: its name, for logs.
            ingest: decodes.
            clock: monotonic, seconds.
        """
        self._agent, self._ingest, self._clock = agent, ingest, clock
        self._executor = ThreadPoolExecutor(NUM_AT_ONCE, thread_name_prefix="pictures")
        self._away: dict[str, tuple[float, str]] = {}
        """What is away: since when, and why."""

    @property
    def problem(self) -> str:
        """What is waited for, in words; "" if nothing is. Thread-safe."""
        for since, reason in list(self._away.values()):
            return f"{reason}, for {self._clock() - since:.0f} s"
        return ""

    async def read(
        self, batch: RecordBatch, is_stopping: Callable[[], bool]
    ) -> AsyncIterator[list[Ingested]]:
        """Yield the rows of a batch in groups, in order; each row is ingested alone.

        Ends early if the worker stops, or no longer owns the partition.
        """

        def is_over() -> bool:
            return is_stopping() or not batch.span.is_live

        for start in range(0, len(batch), NUM_AT_ONCE):
            rows = range(start, min(start + NUM_AT_ONCE, len(batch)))
            read = await asyncio.gather(*(self._row(batch, row, is_over) for row in rows))
            whole = [ingested for ingested in read if ingested is not None]
            if len(whole) < len(read) or is_over():
                return
            yield whole

    async def _row(
        self, batch: RecordBatch, row: int, is_over: Callable[[], bool]
    ) -> Ingested | None:
        """Return what became of a row; None if it is over before its store answers."""
        pause, source = _FIRST_PAUSE_SECONDS, ""
        while not is_over():
            try:
                ingested = await run_on(self._executor, self._ingest.read_row, batch, row)
            except SourceAwayError as error:
                source = error.source
                self._note_absence(error)
                await self._pause(pause, is_over)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
            else:
                self._note_answer(source)
                return ingested
        return None

    async def _pause(self, seconds: float, is_over: Callable[[], bool]) -> None:
        ends = self._clock() + seconds
        while (left := ends - self._clock()) > 0 and not is_over():
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    def _note_absence(self, error: SourceAwayError) -> None:
        if error.source not in self._away:
            self._away[error.source] = self._clock(), str(error)
            logger.warning(
                "%s: %s: waiting for it; nothing is lost, /ready fails meanwhile",
                self._agent, error,
            )  # fmt: skip

    def _note_answer(self, source: str) -> None:
        if source in self._away:
            since, _ = self._away.pop(source)
            seconds = self._clock() - since
            logger.warning("%s: %s answers again, after %.0f s", self._agent, source, seconds)

    def close(self) -> None:
        """Start no further read; those that run end by themselves."""
        self._away.clear()
        self._executor.shutdown(wait=False, cancel_futures=True)
