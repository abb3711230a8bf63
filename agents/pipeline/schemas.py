"""The schema registry of a pipeline: one client for all agents, made when the first needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from agents.pipeline.parts import AgentParts
from agents.pipeline.registry_outputs import (
    WrittenSchema,
    learn_ids,
    letter_schemas,
    result_schemas,
)
from schemas import Event, make_codec
from schemas.codecs import Encoder
from schemas.registry.framed import FramedValues
from schemas.registry.output import FramedResults
from streams.registry.errors import RegistrySettingsError, RegistryUnreachableError
from streams.registry.supply import SchemaSupply
from streams.settings import AgentSettings, PipelineSettings, RegistrySettings

if TYPE_CHECKING:
    from streams.registry.client import RegistryClient


class AgentSchemas:
    """Gives each agent what fetches its schemas."""

    def __init__(
        self,
        settings: RegistrySettings | None,
        on_refused: Callable[[BaseException], Awaitable[None]],
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: of the registry; None: there is none.
            on_refused: called with the error when the registry refuses the login at run time.
        """
        self._settings, self._on_refused = settings, on_refused
        self._outputs: list[tuple[str, FramedResults, list[WrittenSchema]]] = []

    @property
    def is_checking_json(self) -> bool:
        """Whether JSON values are checked against their schemas."""
        return self._settings is not None and self._settings.check_json

    @cached_property
    def client(self) -> RegistryClient:
        """The client of the registry.

        Raises:
            RegistrySettingsError: there is no registry, or a TLS file can't be used.
        """
        return make_client(self._settings)

    @cached_property
    def _executor(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="registry")

    def supply(self, agent: str, codec: FramedValues | None) -> SchemaSupply | None:
        """Return what fetches the schemas of an agent's input; None: it needs none."""
        if codec is None:
            return None
        return SchemaSupply(agent, self.client, codec, self._executor, self._on_refused)

    def output_codec(self, agent: str, settings: AgentSettings, parts: AgentParts) -> Encoder:
        """Return what encodes an agent's results; `learn_ids` comes before the first of them.

        Raises:
            ModelError: a result type has no schema in the codec's format.
        """
        if not settings.writes_schemas or self._settings is None:
            return make_codec(settings.output_codec, Event)
        codec = FramedResults(settings.output_codec)
        written = result_schemas(settings, parts.model_type, self._settings)
        self._outputs.append((agent, codec, written))
        return codec

    def letter_codec(self, agent: str, settings: AgentSettings) -> FramedResults | None:
        """Return what frames the values of an agent's dead letters; None: they are not framed."""
        if not settings.frames_dead_letters or self._settings is None:
            return None
        codec = FramedResults(settings.dead_letter_codec)
        self._outputs.append((agent, codec, letter_schemas(settings, self._settings)))
        return codec

    def learn_ids(self) -> None:
        """Look up the ids of all output schemas; wait as long as the registry is away.

        Raises:
            RegistryError: one is not registered, or the registry refuses the login.
        """
        for agent, codec, written in self._outputs:
            learn_ids(agent, self.client, codec, written)


def make_client(settings: RegistrySettings | None) -> RegistryClient:
    """Return a client of the registry.

    Raises:
        RegistrySettingsError: there is no registry, or a TLS file can't be used.
    """
    # Imported here: httpx takes a tenth of a second.
    from streams.registry.client import RegistryClient

    if settings is None:
        raise RegistrySettingsError("no schema registry: add `registry: {url: ...}`")
    return RegistryClient(settings)


def uses_registry(settings: PipelineSettings) -> bool:
    """Whether an agent of the pipeline needs the schema registry."""
    return any(agent.needs_registry for agent in settings.agents.values())


def require_registry(settings: PipelineSettings) -> None:
    """Check that the registry takes the login, if an agent needs it; one that is away is no error.

    Raises:
        RegistryError: it refuses the login, or a TLS file can't be used.
    """
    if not uses_registry(settings):
        return
    # One that is away is waited for when the first record needs a schema.
    with make_client(settings.registry) as client, suppress(RegistryUnreachableError):
        client.probe()
