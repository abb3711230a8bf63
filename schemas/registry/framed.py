"""The part that the codecs with a registry share: the frame, and a compiled reader for each schema.

Schemas come from outside: `missing` says which ones a batch needs, and `learn` takes them. Both run
before the batch is decoded, and never at the same time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeAlias

from schemas.errors import DecodeError, InputError, UnknownSchemaError
from schemas.registry.framing import PREFIX_BYTES, SchemaKey, read_frame
from schemas.registry.registered import (
    RegisteredSchema,
    UnusableSchemaError,
)
from schemas.values import Headers

#: Takes what follows the id in its place, and the payload; returns the plain value.
#: With a prefix both are one: then the first is None.
Read: TypeAlias = Callable[[bytes | None, bytes], Any]

#: Registry's kind of schema -> the codec that reads it.
CODEC_OF_KIND = {"AVRO": "avro", "PROTOBUF": "protobuf", "JSON": "json_schema"}


class FramedValues(ABC):
    """Reads framed values into plain ones; `read` and `read_all` are thread-safe."""

    name: ClassVar[str]
    kind: ClassVar[str]
    """The registry's name of the format."""

    def __init__(self) -> None:
        self._readers: dict[SchemaKey, Read | InputError] = {}
        self._by_prefix: dict[bytes, Read] = {}
        """By the five bytes before a payload: faster for batches."""

    @abstractmethod
    def _compile(self, key: SchemaKey, schema: RegisteredSchema) -> Read:
        """Return what reads the payloads of a schema.

        Raises:
            UnusableSchemaError: it can't be used.
        """

    def missing(self, values: Sequence[bytes | None], headers: Sequence[Headers]) -> set[SchemaKey]:
        """Return the schemas that these records need and `learn` has not been given."""
        if not any(headers):  # fast path: every schema is known
            prefixes = {value[:PREFIX_BYTES] for value in values if value is not None}
            if prefixes <= self._by_prefix.keys():
                return set()
        keys: set[SchemaKey] = set()
        for value, pairs in zip(values, headers, strict=True):
            if value is None:
                continue
            try:
                keys.add(read_frame(value, pairs).key)
            except InputError:  # becomes a dead letter when it is decoded
                continue
        return keys - self._readers.keys()

    def learn(self, key: SchemaKey, schema: RegisteredSchema | UnusableSchemaError | None) -> None:
        """Take a schema, and compile it, which may take a second.

        Args:
            key: its id.
            schema: an error: why it can't be used; None: the registry has none of this id.
        """
        if schema is None:
            self._readers[key] = UnknownSchemaError(
                f"the registry has no schema with id {key}: is it the registry of the producer?"
            )
            return
        try:
            if isinstance(schema, UnusableSchemaError):
                raise schema
            reader = self._reader(key, schema)
        except UnusableSchemaError as error:
            self._readers[key] = DecodeError(f"schema id {key} can't be used: {error}")
            return
        self._readers[key] = reader
        if isinstance(key, int):
            self._by_prefix[b"\0" + key.to_bytes(4, "big")] = reader

    def _reader(self, key: SchemaKey, schema: RegisteredSchema) -> Read:
        if schema.kind != self.kind:
            codec = CODEC_OF_KIND.get(schema.kind)
            hint = f": use codec {codec}" if codec else ""
            raise UnusableSchemaError(f"it is {schema.kind}, not {self.kind}{hint}")
        try:
            return self._compile(key, schema)
        except UnusableSchemaError:
            raise
        except Exception as error:  # a library may raise anything
            raise UnusableSchemaError(f"{type(error).__name__}: {error}") from error

    def forget_unknown(self) -> None:
        """Forget which ids the registry did not have, so that it is asked again."""
        self._readers = {
            key: reader
            for key, reader in self._readers.items()
            if not isinstance(reader, UnknownSchemaError)
        }

    def read(self, value: bytes, headers: Headers) -> Any:
        """Return the plain value of one record.

        Raises:
            UnknownSchemaError: the registry has no schema of its id.
            DecodeError: it is not framed, or its payload does not fit its schema.
        """
        frame = read_frame(value, headers)
        reader = self._readers.get(frame.key)
        if reader is None:
            raise UnknownSchemaError(f"schema id {frame.key} was not fetched from the registry")
        if isinstance(reader, InputError):
            raise type(reader)(str(reader))
        if frame.is_header:
            return reader(frame.rest, value)
        return reader(None, frame.rest)

    def read_all(self, values: Sequence[bytes], headers: Sequence[Headers]) -> list[Any]:
        """Return the plain values of n records, all or nothing."""
        if any(headers):
            return [self.read(v, h) for v, h in zip(values, headers, strict=True)]
        readers = self._by_prefix
        return [readers[v[:PREFIX_BYTES]](None, v[PREFIX_BYTES:]) for v in values]
