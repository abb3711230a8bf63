"""Limits that a settings field's annotation names; pydantic checks them where a file is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Bounds:
    """The limits of a number or of the length of a list or mapping; None: no limit."""

    ge: float | None = None
    """At least."""
    gt: float | None = None
    """More than."""
    le: float | None = None
    """At most."""
    min_length: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return the type's schema with these limits, under pydantic's names for them."""
        return handler(source) | {k: v for k, v in vars(self).items() if v is not None}


@dataclass(frozen=True)
class Pattern:
    """A text must match a regular expression, which `meaning` puts into words."""

    regex: str
    meaning: str

    def matches(self, text: str) -> bool:
        """Return whether the whole text matches."""
        return re.fullmatch(self.regex, text) is not None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Tell pydantic how to check this: its own pattern errors show the expression."""
        from pydantic_core import PydanticCustomError, core_schema

        def check(text: str) -> str:
            if self.matches(text):
                return text
            raise PydanticCustomError("pattern", "{meaning}", {"meaning": self.meaning})

        return core_schema.no_info_after_validator_function(check, handler(source))
