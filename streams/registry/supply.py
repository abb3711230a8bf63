"""Fetch the schemas that an agent's records need before they are decoded; wait for the registry.

Records whose schema can't be fetched now are held back with their partitions, as records are when
the broker is away: none is dead-lettered because the registry does not answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from schemas.registry.framing import SchemaKey
from schemas.registry.registered import RegisteredSchema, UnusableSchemaError
from schemas.values import Headers
from streams.executor import run_on
from streams.records import RecordBatch
from streams.registry.errors import RegistryError, RegistryLoginError

if TYPE_CHECKING:  # httpx takes a tenth of a second to import
    from streams.registry.client import RegistryClient

logger = logging.getLogger(__name__)

#: Between two tries while the registry is away.
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.25, 2.0
#: An id that the registry did not have is asked for again after this long.
_UNKNOWN_SECONDS = 30.0


class NeedsSchemas(Protocol):
    """A codec that reads framed values."""

    def missing(self, values: Sequence[bytes | None], headers: Sequence[Headers]) -> set[SchemaKey]:
        """Return the schemas that these records need and `learn` has not been given."""
        ...

    def learn(self, key: SchemaKey, schema: RegisteredSchema | UnusableSchemaError | None) -> None:
        """Take a schema and compile it."""
        ...

    def forget_unknown(self) -> None:
        """Forget which ids the registry did not have."""
        ...


def fetch(client: RegistryClient, codec: NeedsSchemas, keys: Collection[SchemaKey]) -> None:
    """Fetch schemas and give them to a codec.

    Raises:
        RegistryError: the registry does not answer, or refuses the login.
    """
    for key in sorted(keys, key=str):
        schema: RegisteredSchema | UnusableSchemaError | None
        try:
            schema = client.schema(key)
        except UnusableSchemaError as error:
            schema = error
        codec.learn(key, schema)


class SchemaSupply:
    """The schemas of one agent's input. Its methods run on the event loop."""

    def __init__(
        self,
        agent: str,
        client: RegistryClient,
        codec: NeedsSchemas,
        executor: ThreadPoolExecutor,
        on_refused: Callable[[BaseException], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Fetch nothing yet.

        Args:
            agent: its name, for logs.
            client: of the registry.
            codec: of the agent's input.
            executor: one thread, where requests wait and schemas are compiled.
            on_refused: called with the error when the registry refuses the login.
            clock: monotonic, seconds.
        """
        self._agent, self._client, self._codec = agent, client, codec
        self._executor, self._on_refused, self._clock = executor, on_refused, clock
        self._away_since: float | None = None
        self._num_waiting = 0
        """Topics whose records wait."""
        self._reason = ""
        self._asked_at = clock()

    @property
    def problem(self) -> str:
        """What is waited for, in words; "" if nothing is. Thread-safe."""
        since = self._away_since
        return "" if since is None else f"{self._reason}, for {self._clock() - since:.0f} s"

    async def fetched(
        self, batches: Sequence[RecordBatch], is_stopping: Callable[[], bool]
    ) -> list[RecordBatch]:
        """Return the batches that still belong to this worker once their schemas are there.

        Args:
            batches: about to be decoded.
            is_stopping: whether to give up.

        Returns:
            Nothing if the worker stops before: the records are read again.
        """
        self._forget_unknown()
        pause, is_waiting = _FIRST_PAUSE_SECONDS, False
        try:
            while True:
                batches = [batch for batch in batches if batch.span.is_live]
                keys = {key for b in batches for key in self._codec.missing(b.values, b.headers)}
                if not keys:
                    return list(batches)
                if is_stopping():
                    return []
                error = await self._fetch(keys)
                if isinstance(error, RegistryLoginError):
                    await self._on_refused(error)
                    return []
                if error is not None:
                    self._num_waiting += not is_waiting
                    is_waiting = True
                    self._note_absence(error)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        finally:
            self._num_waiting -= is_waiting
            if not self._num_waiting:
                self._away_since = None

    async def _fetch(self, keys: Collection[SchemaKey]) -> RegistryError | None:
        try:
            await run_on(self._executor, fetch, self._client, self._codec, keys)
        except RegistryError as error:
            return error
        self._note_answer()
        return None

    def _forget_unknown(self) -> None:
        now = self._clock()
        if now - self._asked_at > _UNKNOWN_SECONDS:
            self._asked_at = now
            self._codec.forget_unknown()

    def _note_absence(self, error: RegistryError) -> None:
        self._reason = str(error)
        if self._away_since is None:
            self._away_since = self._clock()
            logger.warning(
                "%s: %s: waiting for it; nothing is lost, /ready fails meanwhile",
                self._agent, error,
            )  # fmt: skip

    def _note_answer(self) -> None:
        if self._away_since is not None:
            seconds = self._clock() - self._away_since
            self._away_since = None
            logger.warning(
                "%s: the schema registry answers again, after %.0f s", self._agent, seconds
            )
