"""JSON Schema of event and result types, for producers and consumers in any language.

Draft 2020-12, in words that mean the same to readers of draft-07, because AsyncAPI reads those.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec

from schemas import Event
from schemas.cloudevents import type_name

DRAFT = "https://json-schema.org/draft/2020-12/schema"

JsonSchema = dict[str, Any]


def schema_file_name(cls: type[Any]) -> str:
    """Return the name of a type's file: `penstock.sensor_reading.v1.schema.json`."""
    return f"{type_name(cls)}.schema.json"


def json_schema(cls: type[msgspec.Struct]) -> JsonSchema:
    """Return the schema of a type's JSON form, with the docstrings of it and of its fields."""
    (reference,), components = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
    for struct in _structs(msgspec.inspect.type_info(cls)):
        _describe(components[_component_name(struct, components)], struct)
    root = components.pop(reference["$ref"].rpartition("/")[2])
    if issubclass(cls, Event):
        _add_what_decoding_checks(root, cls)
    found = {"$schema": DRAFT, "$id": schema_file_name(cls), **root}
    if components:
        found["$defs"] = components
    return found


def _component_name(struct: type[Any], components: JsonSchema) -> str:
    # msgspec takes the full name where two types share a short one.
    short = struct.__name__
    return short if short in components else f"{struct.__module__}.{struct.__qualname__}"


def _structs(info: Any) -> Iterator[type[Any]]:
    """Yield every struct type that a type is made of, itself included."""
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
        parts = [field.type for field in info.fields]
    else:
        single = ("item_type", "key_type", "value_type", "type")
        parts = [getattr(info, name) for name in single if hasattr(info, name)]
        parts += [*getattr(info, "item_types", ()), *getattr(info, "types", ())]
    for part in parts:
        yield from _structs(part)


def _describe(schema: JsonSchema, struct: type[Any]) -> None:
    docs = field_docs(struct)
    for field in msgspec.structs.fields(struct):
        found = schema["properties"][field.encode_name]
        if field.name in docs:
            found["description"] = docs[field.name]
        if "$ref" in found:
            found.pop("default", None)  # an origin of no record: a placeholder, never on a topic
        _make_portable(found)


def _make_portable(schema: JsonSchema) -> None:
    """Say an array of equal items as draft-07 does: there, `prefixItems` is not known."""
    prefix = schema.get("prefixItems")
    if prefix and all(item == prefix[0] for item in prefix):
        del schema["prefixItems"]
        schema["items"] = prefix[0]


def _add_what_decoding_checks(schema: JsonSchema, cls: type[Event]) -> None:
    """Say what decoding checks beyond the types."""
    properties = schema["properties"]
    properties["schema_version"] |= {"enum": list(cls.VERSIONS)}


def field_docs(struct: type[Any]) -> dict[str, str]:
    """Return the docstrings under a type's fields, its bases' included.

    Python keeps none of them at run time, so the source is read; without it there are none.
    """
    docs: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if issubclass(cls, msgspec.Struct) and cls is not msgspec.Struct:
            docs |= dict(_own_field_docs(cls))
    return docs


def _own_field_docs(cls: type[Any]) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except (OSError, TypeError, SyntaxError):
        return
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, doc in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(doc, ast.Expr)
            and isinstance(doc.value, ast.Constant)
            and isinstance(doc.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(doc.value.value)
