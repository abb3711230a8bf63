"""Bytes from outside, made fit for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.codecs import image_content_type


def in_general(value: bytes | None, headers: Mapping[str, bytes]) -> str:
    """Return one line about any value: JSON as it is, an image's kind and size, text, or bytes.

    Not yet escaped.
    """
    if value is None:
        return "null (a tombstone)"
    if kind := image_content_type(value):
        return f"[{kind}, {len(value)} bytes]"
    try:
        if b"msgpack" in headers.get("content-type", b""):
            return msgspec.json.encode(readable(msgspec.msgpack.decode(value))).decode()
        return value.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        return f"[{len(value)} bytes: {value[:16].hex(' ')}{' ...' if len(value) > 16 else ''}]"


def readable(value: Any) -> Any:
    """Return a decoded value with its bytes replaced by their kind and size, for JSON."""
    if isinstance(value, bytes):
        return f"[{image_content_type(value) or 'binary'}, {len(value)} bytes]"
    if isinstance(value, dict):
        return {str(readable(name)): readable(item) for name, item in value.items()}
    return [readable(item) for item in value] if isinstance(value, list) else value
