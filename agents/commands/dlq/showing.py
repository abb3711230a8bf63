"""Show dead letters: counts by kind, and single letters in full.

Text from outside is escaped, so that no letter can send control sequences to a terminal.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from agents.commands.describe import describe_value, json_ready
from agents.commands.dlq.letters import Letter, State
from agents.errors import printable
from schemas.cloudevents import rfc3339
from schemas.image_formats import image_content_type

#: Limit of what is printed of a value; `--output` writes all of it.
MAX_CHARACTERS = 4_000
#: Longer lines are folded.
_LINE_CHARACTERS = 400
_HEX_BYTES, _HEX_WIDTH = 512, 16


@dataclass
class Group:
    """Letters that share agent, reason, error and input partition."""

    agent: str
    reason: str
    error: str
    """The exception's class."""
    topic: str
    """The input topic; the partition is in it."""
    partition: int
    open: int = 0
    """Neither replayed nor dropped."""
    replayed: int = 0
    dropped: int = 0
    first_ms: int = 0
    """When the first of them failed, milliseconds since 1970."""
    last_ms: int = 0

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        failed_at_ms = letter.details.failed_at_ms
        self.first_ms = min(self.first_ms or failed_at_ms, failed_at_ms)
        self.last_ms = max(self.last_ms, failed_at_ms)
        self.open += letter.state is State.OPEN
        self.replayed += letter.state is State.REPLAYED
        self.dropped += letter.state is State.DROPPED


def summarize(letters: Iterable[Letter]) -> list[Group]:
    """Return the groups, those with the most open letters first."""
    groups: dict[tuple[str, str, str, str, int], Group] = {}
    for letter in letters:
        details = letter.details
        origin = details.origin
        key = (details.agent, details.reason, details.exception, origin.topic, origin.partition)
        groups.setdefault(key, Group(*key)).add(letter)
    return sorted(groups.values(), key=lambda group: -group.open)


def as_line(letter: Letter) -> str:
    """Return one line about a letter; it begins with its identity."""
    details = letter.details
    time = format_time(details.failed_at_ms)
    return printable(
        f"{letter.identity}  {time}  {details.agent}  {details.reason}: {details.message}"
    )


def as_text(letter: Letter) -> Iterator[str]:
    """Yield lines with everything that a letter holds."""
    details, origin = letter.details, letter.details.origin
    fields = {
        "letter": f"{letter.identity}, {letter.state}",
        "record": f"{origin.topic}[{origin.partition}] offset {origin.offset}",
        "written": format_time(details.timestamp_ms),
        "failed": f"{format_time(details.failed_at_ms)}, in {details.agent}",
        "reason": f"{details.reason} ({details.exception}): {details.message}",
        "attempts": f"{details.attempts} by the worker, replayed {letter.num_replays} times",
        "key": "null" if letter.key is None else describe_value(letter.key, {}),
        **{f"header {name}": describe_value(value, {}) for name, value in letter.headers},
        "value": _size(letter),
    }
    for name, text in fields.items():
        yield printable(f"{name}: {text}")
    for line in value_lines(letter.value, dict(letter.headers)):
        yield f"  {line}"


def _size(letter: Letter) -> str:
    details = letter.details
    if letter.is_whole:
        return f"{len(letter.value)} bytes"
    missing = details.cut or "value"
    return f"{len(letter.value)} of {details.full_bytes} bytes; cut or left out: {missing}"


def value_lines(value: bytes, headers: Mapping[str, bytes]) -> list[str]:
    """Return a value as indented JSON, text, the kind and size of an image, or a hex dump.

    Args:
        value: any bytes.
        headers: their `content-type` marks MessagePack.
    """
    if not value or image_content_type(value):
        return [describe_value(value, {})] if value else []
    try:
        if b"msgpack" in headers.get("content-type", b""):
            text = msgspec.json.encode(json_ready(msgspec.msgpack.decode(value))).decode()
        else:
            text = value.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError, ValueError):
        return list(_hex_dump(value))
    try:
        text = msgspec.json.format(text, indent=2)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass  # not JSON: shown as it is
    shown = text[:MAX_CHARACTERS]
    num_left = len(text) - len(shown)
    lines = [line for long_line in shown.splitlines() for line in _folded(long_line)]
    return [*lines, f"... {num_left} more characters"] if num_left else lines


def _folded(line: str) -> Iterator[str]:
    for start in range(0, max(len(line), 1), _LINE_CHARACTERS):
        yield printable(line[start : start + _LINE_CHARACTERS])


def _hex_dump(value: bytes) -> Iterator[str]:
    for start in range(0, min(len(value), _HEX_BYTES), _HEX_WIDTH):
        row = value[start : start + _HEX_WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        yield f"{start:08x}  {row.hex(' '):<{3 * _HEX_WIDTH - 1}}  {text}"
    if len(value) > _HEX_BYTES:
        yield f"... {len(value) - _HEX_BYTES} more bytes"


def as_dict(letter: Letter) -> dict[str, Any]:
    """Return a letter for JSON; bytes become base64, so that none is lost."""
    return {
        "letter": letter.identity,
        "state": letter.state,
        "num_replays": letter.num_replays,
        **msgspec.to_builtins(letter.details),
        "key_base64": None if letter.key is None else _base64(letter.key),
        "headers": [[name, _base64(value)] for name, value in letter.headers],
        "value_base64": _base64(letter.value),
    }


def _base64(value: bytes | None) -> str:
    return base64.b64encode(value or b"").decode()


def format_time(time_ms: int) -> str:
    """Return a time as RFC 3339; "?" if it is not known."""
    try:
        return rfc3339(time_ms).decode() or "?"
    except (ValueError, OverflowError):
        return str(time_ms)
