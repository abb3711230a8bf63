"""Where blocking work runs, so that the event loop never does it.

One thread per model copy (a model has one caller at a time), and two small pools shared by all
agents: one for decoding and encoding, which hold the interpreter lock, and one for preparing
(pictures, tokens), which leaves it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple, Unpack

from streams.affinity import keep_to

T = TypeVar("T")
Args = TypeVarTuple("Args")


def device_executor(name: str) -> ThreadPoolExecutor:
    """Return a one-thread executor for one model copy on one device."""
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"device-{name}")


def host_executor(max_workers: int | None = None) -> ThreadPoolExecutor:
    """Return the pool for decoding and encoding; by default a thread a core."""
    return ThreadPoolExecutor(max_workers or os.cpu_count() or 2, thread_name_prefix="host")


def preparing_executor(max_workers: int, cores: Collection[int]) -> ThreadPoolExecutor:
    """Return the pool for what comes before a model: its threads may use all of these cores."""
    return ThreadPoolExecutor(
        max_workers, thread_name_prefix="prepare", initializer=keep_to, initargs=(cores,)
    )


async def run_on(
    executor: ThreadPoolExecutor, work: Callable[[Unpack[Args]], T], *args: *Args
) -> T:
    """Run `work` on an executor and wait for it without blocking the loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, work, *args)
