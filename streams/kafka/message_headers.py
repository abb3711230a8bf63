"""Reads the headers of a record from confluent-kafka."""

from __future__ import annotations

from operator import methodcaller

from confluent_kafka import Message

#: Returned in place of headers that the library can't return.
UNREADABLE = [("unreadable headers", b"a name is not UTF-8")]

#: Do not write `message.headers()`: if a header's name is not UTF-8, confluent-kafka 2.16 returns a
#: list of null pointers with an exception set. A call through `methodcaller` raises that exception.
#: A method call that the interpreter has specialized does not, and the process crashes.
_headers = methodcaller("headers")


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """Return a record's headers, with b"" for null values.

    Kafka accepts header names that are not UTF-8; for such a record this returns `UNREADABLE`.
    Always use this function instead of `message.headers()` for records of other producers.
    """
    try:
        headers = _headers(message)
    except (SystemError, UnicodeDecodeError):
        message.set_headers(UNREADABLE)  # otherwise a second call returns the null pointers
        return UNREADABLE
    return [(name, value or b"") for name, value in headers or []]
