"""Which event loop a worker runs on: uvloop's where it exists, else Python's own."""

from __future__ import annotations

import asyncio
from contextlib import suppress


def use_fast_loop() -> None:
    """Make new event loops uvloop's; to be called before the first is made."""
    with suppress(ImportError):  # there is none for Windows
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
