"""The headers of a record that confluent-kafka has read."""

from __future__ import annotations

from confluent_kafka import Message

#: In place of headers that the library can't hand out.
UNREADABLE = [("unreadable headers", b"a name is not UTF-8")]


def headers_of(message: Message) -> list[tuple[str, bytes]]:
    """Return a record's headers, null values as b"".

    confluent-kafka raises where any header's name is not UTF-8 (and `SystemError` at that), which
    Kafka allows; all that can be said of such a record's headers is `UNREADABLE`.
    """
    try:
        return [(name, value or b"") for name, value in message.headers() or []]
    except (SystemError, UnicodeDecodeError):
        return UNREADABLE
