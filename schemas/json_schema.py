"""JSON Schema of event and result types, for producers and consumers in any language.

Draft 2020-12, using only keywords that mean the same in draft-07, because AsyncAPI reads that.
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
    """Return the schema of a type's JSON form, with the docstrings of the type and its fields."""
    (reference,), components = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
    for struct in _structs(msgspec.inspect.type_info(cls)):
        _describe(components[_component_name(struct, components)], struct)
    root = components.pop(reference["$ref"].rpartition("/")[2])
    if issubclass(cls, Event):
        properties = root["properties"]
        properties["schema_version"] |= {"enum": list(cls.VERSIONS)}
    schema = {"$schema": DRAFT, "$id": schema_file_name(cls), **root}
    if components:
        schema["$defs"] = components
    return schema


def _component_name(struct: type[Any], components: JsonSchema) -> str:
    # msgspec uses the full name where two types have the same short name.
    short = struct.__name__
    return short if short in components else f"{struct.__module__}.{struct.__qualname__}"


def _structs(info: Any) -> Iterator[type[Any]]:
    """Yield every struct type that a type consists of, including itself."""
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
        field_schema = schema["properties"][field.encode_name]
        if field.name in docs:
            field_schema["description"] = docs[field.name]
        if "$ref" in field_schema:
            field_schema.pop("default", None)  # a placeholder origin, which is never on a topic
        _replace_prefix_items(field_schema)


def _replace_prefix_items(schema: JsonSchema) -> None:
    """Write an array of equal items with `items`: draft-07 has no `prefixItems`."""
    prefix = schema.get("prefixItems")
    if prefix and all(item == prefix[0] for item in prefix):
        del schema["prefixItems"]
        schema["items"] = prefix[0]


def field_docs(struct: type[Any]) -> dict[str, str]:
    """Return the docstrings under the fields of a type and of its bases.

    Python does not keep them at run time, so they are read from the source; without a source
    file the result is empty.
    """
    docs: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if issubclass(cls, msgspec.Struct) and cls is not msgspec.Struct:
            docs |= dict(_field_docs_of_class(cls))
    return docs


def _field_docs_of_class(cls: type[Any]) -> Iterator[tuple[str, str]]:
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
