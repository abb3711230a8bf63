"""Why an input record can't be processed: each error becomes a dead letter with its `reason`.

InputError
├── DecodeError            the bytes are not the codec's format
│   └── EmptyValueError    zero bytes
├── SchemaError            well-formed, but not what the event type asks for
│   └── UnknownVersionError
└── TooLargeError          over a declared limit (bytes, pixels, nesting, length)
"""

from __future__ import annotations


class InputError(ValueError):
    """A record that can't be processed; its neighbours can.

    A model may raise it for a batch of one, or return it in place of one answer.
    """

    #: Short and stable: a metric label and the dead letter's `reason`.
    reason = "invalid_input"


class DecodeError(InputError):
    """The bytes are not what the codec reads."""

    reason = "decode_error"


class EmptyValueError(DecodeError):
    """A value of zero bytes (a null value is a tombstone and no error)."""

    reason = "empty_value"


class SchemaError(InputError):
    """The record decodes, but a field is absent, of another type or out of range."""

    reason = "schema_error"


class UnknownVersionError(SchemaError):
    """The record's `schema_version` is not one this build reads."""

    reason = "unknown_schema_version"


class TooLargeError(InputError):
    """The record is over a limit that is checked before any work is done."""

    reason = "too_large"
