"""A record's key as text: it names the source where the value doesn't."""

from __future__ import annotations

from typing import Literal, TypeAlias

KeyFormat: TypeAlias = Literal["text", "hex", "integer"]

#: Sizes of the whole numbers that Kafka's serializers write, big-endian and signed.
_INTEGER_BYTES = (1, 2, 4, 8)


def key_text(key: bytes | None, key_format: KeyFormat = "text") -> str:
    """Return a key as text; no key is refused.

    Args:
        key: None: "".
        key_format: `text`: UTF-8; a key that is not, or that has control characters, is binary:
            `0x` and its bytes in hexadecimal digits. `hex`: the digits alone, for every key.
            `integer`: the decimal digits of a big-endian signed number of 1, 2, 4 or 8 bytes; a key
            of another size is binary.
    """
    if not key:
        return ""
    if key_format == "hex":
        return key.hex()
    if key_format == "integer":
        if len(key) in _INTEGER_BYTES:
            return str(int.from_bytes(key, "big", signed=True))
        return "0x" + key.hex()
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return "0x" + key.hex()
    if text.isprintable() or min(text) >= " ":
        return text
    return "0x" + key.hex()
