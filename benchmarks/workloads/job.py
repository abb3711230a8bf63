"""The command line of a contender."""

from __future__ import annotations

import sys

import msgspec


class Job(msgspec.Struct, frozen=True):
    """One run: read `input`, answer each record on `output`, until SIGTERM."""

    bootstrap_servers: str
    input: str
    output: str
    group: str
    workload: str
    partitions: int
    """Of both topics."""
    folder: str
    """A temporary folder of this run."""

    @classmethod
    def from_command_line(cls) -> Job:
        """Return the job given as JSON in the only argument."""
        return msgspec.json.decode(sys.argv[1], type=cls)
