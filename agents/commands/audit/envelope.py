"""Read the input record that a result answers from its value, in any codec that writes results."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from schemas import Origin
from schemas.audio_codec import RESULT_HEADER
from schemas.registry.codecs import CONTENT_TYPES
from schemas.registry.framing import PREFIX_BYTES
from schemas.registry.output import result_origin

_AVRO, _PROTOBUF = (CONTENT_TYPES[codec].encode() for codec in ("avro", "protobuf"))
#: What a framed value begins with, and JSON never does.
_MAGIC = b"\0"


class Envelope(msgspec.Struct):
    """The part of a result's value that an audit needs."""

    origin: Origin


_json = msgspec.json.Decoder(Envelope)
_msgpack = msgspec.msgpack.Decoder(Envelope)


def origin_of(headers: Mapping[str, bytes], value: bytes | None) -> Origin:
    """Return the input record of a result.

    Args:
        headers: of the result.
        value: of the result.

    Raises:
        msgspec.MsgspecError: the value is not a result.
        ValueError: the value is not a result.
    """
    value = value or b""
    if RESULT_HEADER in headers:  # the value is sound
        return _json.decode(headers[RESULT_HEADER]).origin
    kind = headers.get("content-type")
    if kind == b"application/msgpack":
        return _msgpack.decode(value).origin
    if kind == _AVRO:
        return result_origin("avro", value)
    if kind == _PROTOBUF:
        return result_origin("protobuf", value)
    return _json.decode(value[PREFIX_BYTES:] if value[:1] == _MAGIC else value).origin
