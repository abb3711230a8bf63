"""Moments on the command line: RFC 3339, or how long ago."""

from __future__ import annotations

import re
import time

from agents.errors import UserError
from schemas import SchemaError
from schemas.cloudevents import parse_time

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

#: For help texts.
MOMENT_HELP = "2026-01-31T12:00:00Z, or how long ago: 90s, 15m, 2h, 3d"


def moment_ms(text: str, option: str) -> int:
    """Return a moment in milliseconds since 1970; 0 for "".

    Args:
        text: what the user wrote.
        option: whose value it is, for the message.

    Raises:
        UserError: it is no moment.
    """
    if not text:
        return 0
    if ago := _AGO.fullmatch(text):
        seconds = float(ago[1]) * _SECONDS[ago[2]]
        return max(int((time.time() - seconds) * 1000), 1)
    try:
        return max(parse_time(text), 1)
    except SchemaError as error:
        raise UserError(f"{option}: {error}, nor a time ago such as 90s, 15m, 2h or 3d") from error
