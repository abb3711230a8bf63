"""What ends a demo before there is anything to account for."""

from __future__ import annotations


class DemoError(RuntimeError):
    """The demo can't run; the message is for people and says what to do."""
