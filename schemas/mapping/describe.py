"""Plain values in words, for messages that say what was found."""

from __future__ import annotations

from typing import Any

_MAX_CHARS = 40
_MAX_NAMES = 5


def found(value: Any) -> str:
    """Return a value in words, cut to a length that a message can hold."""
    if value is None:
        return "null or absent"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {_cut(_digits(value))}"
    if isinstance(value, str):
        return f"the text {_cut(value[: _MAX_CHARS + 1])!r}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return f"an object with {_names(list(map(str, value)))}" if value else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return f"the {type(value).__name__} {_cut(str(value))}"


def _digits(value: float) -> str:
    if isinstance(value, int) and value.bit_length() > 256:  # Python limits how long a text may be
        return f"of {value.bit_length()} bits"
    return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else text[:_MAX_CHARS] + "..."


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(_cut(name) for name in names[:_MAX_NAMES]) + more
