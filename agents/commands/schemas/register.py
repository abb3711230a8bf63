"""`penstock schemas register`: register the schemas of what a pipeline's agents write."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from agents.pipeline.parts import load_agent
from agents.pipeline.registry_outputs import WrittenSchema, letter_schemas, result_schemas
from models.base import ModelError
from streams.settings import PipelineSettings

if TYPE_CHECKING:
    from streams.registry.client import RegistryClient

#: A new schema reads what the one before it wrote.
_BACKWARD = "BACKWARD"


class Registration(msgspec.Struct):
    """What became of one schema."""

    subject: str
    type: str
    outcome: str
    """`registered`, `present`, or with --dry-run `would register`."""
    id: int | None = None


def pipeline_schemas(settings: PipelineSettings, base_dir: Path) -> Iterator[WrittenSchema]:
    """Yield every schema that the agents write with.

    Raises:
        ModelError: a model does not exist, or has no result type with a schema.
    """
    for name, agent in settings.agents.items():
        if settings.registry is None:
            continue
        if agent.writes_schemas:
            try:
                model_type = load_agent(agent, base_dir).model_type
                yield from result_schemas(agent, model_type, settings.registry)
            except ModelError as error:
                raise ModelError(f"agent {name}: {error}") from error
        if agent.frames_dead_letters:
            yield from letter_schemas(agent, settings.registry)


def register(client: RegistryClient, written: WrittenSchema, is_dry: bool) -> Registration:
    """Register a schema unless it is there; check first that it can read what was written before.

    A subject without a compatibility rule gets BACKWARD; one that has a rule keeps it.

    Raises:
        IncompatibleSchemaError: it is not compatible with the latest schema of its subject.
        RegistryError: the registry does not answer, or refuses the login.
    """
    subject, schema = written.subject, written.schema
    done = Registration(subject, written.result_type.__name__, "present")
    done.id = client.id_of(subject, schema)
    if done.id is not None:
        return done
    if client.versions(subject):
        if not is_dry and client.compatibility(subject) == "NONE":
            client.require_compatibility(subject, _BACKWARD)
        client.check_compatible(subject, schema)
    done.outcome = "would register"
    if not is_dry:
        done.id, done.outcome = client.register(subject, schema), "registered"
        if client.compatibility(subject) == "NONE":
            client.require_compatibility(subject, _BACKWARD)
    return done
