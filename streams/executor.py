"""Where blocking work runs, so that the event loop never does it.

One thread per model copy (a model has one caller at a time), and a small pool shared by all agents
for decoding, preparing (pictures, tokens) and encoding.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Args = TypeVarTuple("Args")


def device_executor(name: str) -> ThreadPoolExecutor:
    """Return a one-thread executor for one model copy on one device."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"device-{name}")


def host_executor(max_workers: int | None = None) -> ThreadPoolExecutor:
    """Return the pool for decoding, preparing and encoding; by default a thread a core."""
    return ThreadPoolExecutor(max_workers or os.cpu_count() or 2, thread_name_prefix="host")


async def run_on(
    executor: ThreadPoolExecutor, work: Callable[[Unpack[Args]], T], *args: *Args
) -> T:
    """Run `work` on an executor and wait for it without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, work, *args)
