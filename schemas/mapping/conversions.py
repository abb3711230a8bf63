"""Turns plain values into the types of an event's fields, or says what was expected.

`null` is absent. A boolean is 0 or 1 where a number is expected. A text is a number only if the
pipeline file asks for it. NaN and infinity are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from schemas.errors import SchemaError
from schemas.mapping.describe import found

_LARGEST = 1.7976931348623157e308

#: Takes a value that is not None.
Convert = Callable[[Any], Any]


def to_text(value: Any) -> str:
    """Return a text as it is, a whole number or UUID as its digits.

    Raises:
        SchemaError: it is something else.
    """
    if type(value) is str:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 256:
            raise SchemaError(f"expected a text, found {found(value)}")
        return str(value)
    if isinstance(value, str | UUID):
        return str(value)
    raise SchemaError(f"expected a text or a whole number, found {found(value)}")


def to_number(value: Any) -> float:
    """Return a finite number: of an int, float or Decimal, 0 or 1 for a boolean.

    Raises:
        SchemaError: it is something else, NaN or infinite.
    """
    if type(value) is float and -_LARGEST <= value <= _LARGEST:
        return value
    if isinstance(value, int | float | Decimal):
        try:
            number = float(value)
        except (OverflowError, ValueError):
            number = math.inf
        if math.isfinite(number):
            return number
        raise SchemaError(f"expected a finite number, found {found(value)}")
    raise SchemaError(f"expected a number, found {found(value)}")


def to_number_or_text(value: Any) -> float:
    """Return a number as `to_number` does, and that of a text such as "21.5".

    Raises:
        SchemaError: it is no finite number.
    """
    return to_number(parsed_number(value) if isinstance(value, str) else value)


def parsed_number(text: str) -> Any:
    """Return the number that a text holds, exactly if it is whole; the text where it holds none."""
    text = text.strip()
    if len(text) > 400 or not text.isascii() or "_" in text:  # Python allows 1_000 and other digits
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def to_whole_number(value: Any) -> int:
    """Return a whole number: of an int, of a float without a fraction, 0 or 1 for a boolean.

    Raises:
        SchemaError: it is something else, or has more than 64 bits.
    """
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return int(value)
    raise SchemaError(f"expected a whole number, found {found(value)}")


def to_whole_number_or_text(value: Any) -> int:
    """Return a whole number as `to_whole_number` does, and that of a text such as "7".

    Raises:
        SchemaError: it is no whole number.
    """
    number = parsed_number(value) if isinstance(value, str) else value
    return to_whole_number(value if isinstance(number, str) else number)


def to_truth(value: Any) -> bool:
    """Return a boolean, also of 0 and 1.

    Raises:
        SchemaError: it is something else.
    """
    if isinstance(value, bool | int | float) and value in (0, 1):
        return bool(value)
    raise SchemaError(f"expected true or false, found {found(value)}")


def as_it_is(value: Any) -> Any:
    """Return the value: the event type's own check follows."""
    return value
