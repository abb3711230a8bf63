"""The codecs whose schemas are in a registry, by their names in the pipeline file."""

from __future__ import annotations

from schemas.codecs import CODECS
from schemas.registry.framed import FramedValues

#: Codec -> the media type of its values.
CONTENT_TYPES = {
    "avro": "application/avro",
    "protobuf": "application/x-protobuf",
    "json_schema": "application/json",
}


def make_framed(name: str, is_checking_json: bool = False) -> FramedValues:
    """Return a reader of framed values; its libraries are imported only now.

    Args:
        name: one of `CONTENT_TYPES`.
        is_checking_json: whether `json_schema` checks each value against its schema.
    """
    if name == "avro":
        from schemas.registry.avro import AvroValues

        return AvroValues()
    if name == "protobuf":
        from schemas.registry.protobuf import ProtobufValues

        return ProtobufValues()
    from schemas.registry.json_schema import JsonSchemaValues

    return JsonSchemaValues(is_checking_json)


def content_type_of(codec: str) -> str:
    """Return the media type of any codec's values."""
    return CONTENT_TYPES[codec] if codec in CONTENT_TYPES else CODECS[codec].content_type
