"""What a record is refused for when the process of its model did not survive it.

ProcessLostError (an `InputError`)
├── ModelTimeoutError    it did not answer in time, and was killed
└── ModelDiedError       it died
"""

from __future__ import annotations

from schemas import InputError


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
