"""The schemas that a pipeline's agents write with, and their ids in the registry."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from models.base import ModelError
from schemas import UPDATE_TYPES, Result
from schemas.registry.letters import DeadLetterRecord
from schemas.registry.output import FramedResults, result_schema, subject_of
from schemas.registry.registered import RegisteredSchema, UnusableSchemaError
from streams.registry.errors import MissingSchemaError, RegistryUnreachableError
from streams.settings import AgentSettings, RegistrySettings

if TYPE_CHECKING:
    from streams.registry.client import RegistryClient

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0


class WrittenSchema(NamedTuple):
    """One schema of an agent's output."""

    subject: str
    result_type: type[msgspec.Struct]
    schema: RegisteredSchema


def result_schemas(
    settings: AgentSettings, model_type: type[Any], registry: RegistrySettings
) -> list[WrittenSchema]:
    """Return the schemas that an agent needs to write its results and updates.

    Raises:
        ModelError: a result type has no schema in the codec's format.
    """
    result_type = model_type.result_type
    topics: list[tuple[str, type[Result]]] = [(settings.output, result_type)]
    if settings.updates and result_type in UPDATE_TYPES:
        topics.append((settings.updates, UPDATE_TYPES[result_type]))
    try:
        return [
            WrittenSchema(
                subject_of(registry.subjects, topic, written),
                written,
                result_schema(settings.output_codec, written),
            )
            for topic, written in topics
        ]
    except UnusableSchemaError as error:
        raise ModelError(f"output_codec: {settings.output_codec}: {error}") from error


def letter_schemas(settings: AgentSettings, registry: RegistrySettings) -> list[WrittenSchema]:
    """Return the schemas that an agent needs to write its dead letters."""
    schema = result_schema(settings.dead_letter_codec, DeadLetterRecord)
    return [
        WrittenSchema(
            subject_of(registry.subjects, topic, DeadLetterRecord), DeadLetterRecord, schema
        )
        for topic in settings.dead_letter_topics
    ]


def learn_ids(
    agent: str, client: RegistryClient, codec: FramedResults, schemas: Sequence[WrittenSchema]
) -> None:
    """Look up the id of each schema; wait as long as the registry is away.

    Raises:
        MissingSchemaError: a schema is not registered: a worker never does that by itself.
        RegistryLoginError: the registry refuses the login.
    """
    for written in schemas:
        schema_id = _id_of(agent, client, written)
        if schema_id is None:
            raise missing(written)
        codec.learn(written.result_type, schema_id)


def missing(written: WrittenSchema) -> MissingSchemaError:
    """Return the error for a schema that is not registered."""
    return MissingSchemaError(
        f"subject {written.subject} lacks the schema of {written.result_type.__name__}: register "
        "it with `penstock schemas register -c FILE`"
    )


def _id_of(agent: str, client: RegistryClient, written: WrittenSchema) -> int | None:
    is_logged = False
    while True:
        try:
            return client.id_of(written.subject, written.schema)
        except RegistryUnreachableError as error:
            if not is_logged:
                logger.warning("%s: %s: waiting for it", agent, error)
            is_logged = True
            time.sleep(_PAUSE_SECONDS)
