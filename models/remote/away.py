"""Tells a server that can't answer now from one that refuses a request."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from time import time

from schemas.errors import Unavailable

#: HTTP statuses that are about the server or the login, never about the events of a request.
#: 404: the model is being loaded or replaced.
AWAY_STATUSES = frozenset({401, 403, 404, 408, 429, 502, 503, 504})


def status_error(url: str, status: int, message: str, retry_after: str | None) -> Exception:
    """Return the exception for an answer that is no success.

    Args:
        url: of the server, without a login.
        status: HTTP status, 300 to 599.
        message: the server's own words, may be empty.
        retry_after: the header of that name.
    """
    words = f"{url} answers {status}" + (f": {message[:300]}" if message else "")
    if status in AWAY_STATUSES:
        return Unavailable(words, seconds_to_wait(retry_after))
    return RuntimeError(words)


def seconds_to_wait(retry_after: str | None) -> float:
    """Return what a `Retry-After` header asks for (RFC 9110: seconds or a date); 0 if nothing."""
    if not retry_after:
        return 0.0
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time())
    except ValueError:
        return 0.0
