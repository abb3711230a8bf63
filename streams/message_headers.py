"""The headers of a record that confluent-kafka has read."""

from __future__ import annotations

from operator import methodcaller

from confluent_kafka import Message

#: In place of headers that the library can't hand out.
UNREADABLE = [("unreadable headers", b"a name is not UTF-8")]

#: Not written as `message.headers()`: where a header's name is not UTF-8, confluent-kafka 2.16
#: returns a list of null pointers with an exception set. This kind of call notices; a method call
#: that the interpreter has specialised does not, and the process dies by a segmentation fault.
_headers = methodcaller("headers")


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """Return a record's headers, null values as b"".

    Kafka takes header names that are not UTF-8. All that can be said of such a record's headers is
    `UNREADABLE`. Never call `headers()` on records that others have written.
    """
    try:
        found = _headers(message)
    except (SystemError, UnicodeDecodeError):
        message.set_headers(UNREADABLE)  # a second look would find the null pointers
        return UNREADABLE
    return [(name, value or b"") for name, value in found or []]
