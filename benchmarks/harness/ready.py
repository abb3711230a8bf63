"""One run of a contender, and a contender that can be started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Job:
    """One run, as `benchmarks/workloads/job.py` reads it."""

    bootstrap_servers: str
    input: str
    output: str
    group: str
    workload: str
    partitions: int
    folder: str
    """A temporary one of this run's own, for state, recovery stores and logs."""


@dataclass(frozen=True)
class Ready:
    """A contender that can be started."""

    version: str
    """Of the library that it stands for, read from its own environment."""
    command: Callable[[Job], list[str]]
    environment: Callable[[Job], Mapping[str, str]]
