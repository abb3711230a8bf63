"""Decode values that are framed by a schema registry, whatever format their schemas have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from schemas import InputError
from schemas.errors import UnknownSchemaError
from schemas.registry.codecs import make_framed
from schemas.registry.framed import CODEC_OF_KIND, FramedValues
from schemas.registry.framing import SchemaKey, read_frame
from schemas.registry.registered import RegisteredSchema, UnusableSchemaError
from schemas.values import Headers
from streams.settings import PipelineSettings, RegistrySettings

if TYPE_CHECKING:
    from streams.registry.client import RegistryClient

RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry",
        metavar="URL",
        help="A schema registry, for values that it frames; else the pipeline file's.",
    ),
]


class AnyFramedValues:
    """Reads framed values; fetches each schema once."""

    def __init__(self, client: RegistryClient) -> None:
        """Fetch nothing yet."""
        self._client = client
        self._codecs: dict[str, FramedValues] = {}
        self._by_key: dict[SchemaKey, FramedValues | None] = {}

    def codec_of(self, value: bytes, headers: Headers) -> str:
        """Return the codec of a framed value's schema.

        Raises:
            DecodeError: the value is not framed.
            UnknownSchemaError: the registry has no schema of its id.
            RegistryError: the registry does not answer, or refuses the login.
        """
        return self._reader(value, headers).name

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the plain value.

        Raises:
            DecodeError: the value is not framed, or not of its schema.
            UnknownSchemaError: the registry has no schema of its id.
            RegistryError: the registry does not answer, or refuses the login.
        """
        return self._reader(value, headers).read(value, headers)

    def _reader(self, value: bytes, headers: Headers) -> FramedValues:
        key = read_frame(value, headers).key
        if key not in self._by_key:
            self._by_key[key] = self._fetched(key)
        reader = self._by_key[key]
        if reader is None:
            raise UnknownSchemaError(f"the registry has no schema with id {key}")
        return reader

    def _fetched(self, key: SchemaKey) -> FramedValues | None:
        schema: RegisteredSchema | UnusableSchemaError | None
        try:
            schema = self._client.schema(key)
            kind = "" if schema is None else schema.kind
        except UnusableSchemaError as error:
            schema, kind = error, "AVRO"  # any: its values are refused with the reason
        if schema is None:
            return None
        name = CODEC_OF_KIND.get(kind, "json_schema")
        reader = self._codecs.setdefault(name, make_framed(name))
        reader.learn(key, schema)
        return reader


def is_framed(value: bytes | None, headers: Headers) -> bool:
    """Return whether a value looks like one that a schema registry frames.

    JSON never begins with these bytes. MessagePack does only where a value is one small number.
    """
    if not value:
        return False
    try:
        read_frame(value, headers)
    except InputError:
        return False
    return True


@contextmanager
def framed_values(pipeline: PipelineSettings | None, url: str) -> Iterator[AnyFramedValues | None]:
    """Yield what reads framed values; None if no registry is named.

    Args:
        pipeline: whose registry is used; None: there is no pipeline file.
        url: of another registry, without a login.
    """
    from agents.pipeline.schemas import make_client

    settings = RegistrySettings(url=url) if url else pipeline.registry if pipeline else None
    if settings is None:
        yield None
        return
    with make_client(settings) as client:
        yield AnyFramedValues(client)


def as_json_bytes(plain: Any) -> bytes:
    """Return a plain value as JSON; bytes within it become their kind and size."""
    from agents.commands.describe import json_ready

    return msgspec.json.encode(json_ready(plain))
