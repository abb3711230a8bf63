"""Read numbers from the headers of records."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.errors import SchemaError

#: At most 18 digits, so that it fits 64 bits as in the other codecs.
_WHOLE_NUMBER = re.compile(rb"[+-]?[0-9]{1,18}")


def int_header(headers: Mapping[str, bytes], name: str, default: int) -> int:
    """Return a header's whole number, the default if it is absent.

    Raises:
        SchemaError: it is no whole number.
    """
    raw = headers.get(name)
    if raw is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(raw):
        raise SchemaError(f"header {name} is {raw[:40]!r}: expected a whole number")
    return int(raw)
