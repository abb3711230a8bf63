"""Why an input record can't be processed: every reason that a dead letter can have.

The `reason` of each class is the public contract: `docs/producing-and-consuming.md` lists them.

InputError                    invalid_input           the model refuses the event
├── DecodeError               decode_error            the bytes are not in the codec's format
│   ├── EmptyValueError       empty_value             zero bytes
│   └── UnknownSchemaError    unknown_schema          the registry has no schema of its id
├── SchemaError               schema_error            decoded, but it does not fit the event type
│   ├── UnknownVersionError   unknown_schema_version
│   └── ImplausibleTimeError  implausible_time        its time can't be right
├── MissingObjectError        missing_object          the picture that it names can't be read
├── TooLargeError             too_large               over a declared limit (bytes, pixels, nesting)
├── ExpiredError              expired                 older than its agent's deadline
├── ModelFailedError          model_error             the model raises on this event alone
│   └── OutOfMemoryError      out_of_memory           the device has no memory for it, even alone
├── ProcessLostError          model_died              the model's own process ended during the call
│   ├── ModelTimeoutError     model_timeout           it did not answer in time and was killed
│   └── ModelDiedError        model_died              it crashed or was killed from outside
├── ResultTooLargeError       result_too_large        the result is larger than a record may be
└── UnencodableResultError    unencodable_result      the result can't be encoded

A model may define more, with a `reason` for each.
"""

from __future__ import annotations


class InputError(ValueError):
    """A record that can't be processed; its neighbors can.

    A model may raise it for a batch of one, or return it in place of one answer.
    """

    #: Short and stable: a metric label and the dead letter's `reason`.
    reason = "invalid_input"


class DecodeError(InputError):
    """The bytes are not in the codec's format."""

    reason = "decode_error"


class EmptyValueError(DecodeError):
    """The value has zero bytes (a null value is a tombstone and no error)."""

    reason = "empty_value"


class UnknownSchemaError(DecodeError):
    """The schema registry has no schema of the record's id."""

    reason = "unknown_schema"


class SchemaError(InputError):
    """The record decodes, but a field is absent, has the wrong type or is out of range."""

    reason = "schema_error"


class UnknownVersionError(SchemaError):
    """This build can't read the record's `schema_version`."""

    reason = "unknown_schema_version"


class ImplausibleTimeError(SchemaError):
    """The event time can't be right, and the agent's rule is `dead_letter`."""

    reason = "implausible_time"


class MissingObjectError(InputError):
    """The picture that the record names is absent, refused or too slow."""

    reason = "missing_object"


class TooLargeError(InputError):
    """The record is over a limit that is checked before any work is done."""

    reason = "too_large"


class ExpiredError(InputError):
    """The event is older than its agent's deadline."""

    reason = "expired"


class ModelFailedError(InputError):
    """The model raised on this event alone; `__cause__` is what it raised."""

    reason = "model_error"

    def __init__(self, error: Exception, attempts: int) -> None:
        super().__init__(f"the model raised {type(error).__name__}: {error}")
        self.__cause__ = error
        self.attempts = attempts


class OutOfMemoryError(ModelFailedError):
    """The device has no memory for this event, even alone."""

    reason = "out_of_memory"


class ProcessLostError(InputError):
    """A model's process did not survive a call."""

    reason = "model_died"
    attempts = 1
    """How often the event was tried."""


class ModelTimeoutError(ProcessLostError):
    """A call took longer than `predict_timeout_seconds`."""

    reason = "model_timeout"


class ModelDiedError(ProcessLostError):
    """The process ended during a call: a fault in native code, or no memory left."""


class ResultTooLargeError(InputError):
    """The model's result is larger than a record may be."""

    reason = "result_too_large"


class UnencodableResultError(InputError):
    """The model's result can't be encoded."""

    reason = "unencodable_result"

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the model's result can't be encoded: {type(error).__name__}: {error}")
        self.__cause__ = error


class Unavailable(Exception):  # a state of the model, and no fault of anything
    """A model can't answer now: a service that it calls is away, or asks for patience (429, 503).

    Not an `InputError`: the batch waits and is tried again, and nothing is dead-lettered.
    """

    def __init__(self, reason: str, retry_after_seconds: float = 0.0) -> None:
        """Say what is away.

        Args:
            reason: for people, as the subject of a log line: "http://scores:8000 answers 503".
            retry_after_seconds: how long the service asks to be left alone, at most 60 are waited.
        """
        self.retry_after_seconds = max(0.0, retry_after_seconds)
        super().__init__(reason)


class SourceAwayError(Exception):
    """What a record refers to can't be reached now: no fault of the record, so it waits.

    Not an `InputError`: nothing is dead-lettered for it.
    """

    def __init__(self, source: str, reason: str) -> None:
        self.source = source
        """What is away, such as s3://bucket."""
        super().__init__(reason)
