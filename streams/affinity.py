"""Which cores a thread may run on.

Threads that hold Python's interpreter lock take turns whatever the number of cores; on several,
the memory of the records only moves between the caches as they do. On Linux the cores are a matter
of each thread, and one that is started later begins with those of its starter, threads of native
libraries included. Elsewhere these functions know and do nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection


def allowed_cores() -> list[int]:
    """Return the cores that the calling thread may run on, ascending; [] where none can tell."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    return sorted(os.sched_getaffinity(0))


def keep_to(cores: Collection[int]) -> None:
    """Let the calling thread, and what it starts from now on, run on these cores alone.

    Does nothing for no cores, and where the system has no such call.
    """
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
