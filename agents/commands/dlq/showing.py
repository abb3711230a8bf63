"""One dead letter in full, for people and for machines. Nothing of it can act on a terminal."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from agents.commands.describe_bytes import in_general, readable
from agents.commands.dlq.letters import Letter
from agents.errors import printable
from schemas.cloudevents import rfc3339
from schemas.codecs import image_content_type

#: What people see of a value; `--output` writes all of it.
MAX_CHARACTERS = 4_000
_HEX_BYTES, _HEX_WIDTH = 512, 16


def as_text(letter: Letter) -> Iterator[str]:
    """Yield the lines that tell all of a letter."""
    told, origin = letter.told, letter.told.origin
    facts = {
        "letter": f"{letter.identity}, {letter.state}",
        "record": f"{origin.topic}[{origin.partition}] offset {origin.offset}",
        "written": moment(told.timestamp_ms),
        "failed": f"{moment(told.failed_at_ms)}, in {told.agent}",
        "reason": f"{told.reason} ({told.exception}): {told.message}",
        "attempts": f"{told.attempts} by the worker, replayed {letter.num_replays} times",
        "key": "null" if letter.key is None else in_general(letter.key, {}),
        **{f"header {name}": in_general(value, {}) for name, value in letter.headers},
        "value": _size(letter),
    }
    for name, fact in facts.items():
        yield printable(f"{name}: {fact}")
    for line in value_lines(letter.value, dict(letter.headers)):
        yield f"  {line}"


def _size(letter: Letter) -> str:
    told = letter.told
    if letter.is_whole:
        return f"{len(letter.value)} bytes"
    missing = told.cut or "value"
    return f"{len(letter.value)} of {told.full_bytes} bytes; cut or left out: {missing}"


def value_lines(value: bytes, headers: Mapping[str, bytes]) -> list[str]:
    """Return a value as JSON with indents, as text, as an image's kind and size, or as a hex dump.

    Args:
        value: any bytes.
        headers: `content-type` may say that it is MessagePack.
    """
    if not value or image_content_type(value):
        return [in_general(value, {})] if value else []
    try:
        if b"msgpack" in headers.get("content-type", b""):
            text = msgspec.json.encode(readable(msgspec.msgpack.decode(value))).decode()
        else:
            text = value.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        return list(_hex_dump(value))
    try:
        text = msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # no JSON: told as the text that it is
    cut = text[:MAX_CHARACTERS]
    left = len(text) - len(cut)
    told = [line for long in cut.splitlines() for line in _folded(long)]
    return [*told, f"... {left} more characters"] if left else told


def _folded(line: str) -> Iterator[str]:
    for start in range(0, max(len(line), 1), 400):
        yield printable(line[start : start + 400])


def _hex_dump(value: bytes) -> Iterator[str]:
    for start in range(0, min(len(value), _HEX_BYTES), _HEX_WIDTH):
        row = value[start : start + _HEX_WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{3 * _HEX_WIDTH - 1}}  {shown}"
    if len(value) > _HEX_BYTES:
        yield f"... {len(value) - _HEX_BYTES} more bytes"


def as_dict(letter: Letter) -> dict[str, Any]:
    """Return a letter for JSON; bytes as base64, so that none is lost."""
    return {
        "letter": letter.identity,
        "state": letter.state,
        "num_replays": letter.num_replays,
        **msgspec.to_builtins(letter.told),
        "key_base64": None if letter.key is None else _base64(letter.key),
        "headers": [[name, _base64(value)] for name, value in letter.headers],
        "value_base64": _base64(letter.value),
    }


def _base64(value: bytes | None) -> str:
    return base64.b64encode(value or b"").decode()


def moment(time_ms: int) -> str:
    """Return a moment as RFC 3339; "?" if it is not known."""
    try:
        return rfc3339(time_ms).decode() or "?"
    except (ValueError, OverflowError):
        return str(time_ms)
