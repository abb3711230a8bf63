"""What one look found."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warning", "problem", "unknown"]


class Finding(msgspec.Struct, frozen=True):
    """One line of the doctor's report."""

    what: str
    """What was looked at."""
    state: State
    found: str
    """What was seen."""
    mend: str = ""
    """What to do; empty if nothing has to be done."""
