"""Python's cyclic garbage collector, set for a process that moves batches."""

from __future__ import annotations

import atexit
import gc

#: New container objects between two collections, collections of the youngest generation between
#: two of the middle one, and of that between two of the oldest. Python's defaults (700, 10, 10)
#: look through every batch several times while it is on its way: a third of the CPU time of light
#: models. Batches are freed by their reference counts; what is collected is only what has cycles.
_THRESHOLDS = (50_000, 20, 50)


def tune_garbage_collector() -> None:
    """Collect rarely, and never look again at what there is now (modules, loaded models)."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # or extension modules would report all of it as leaked
    gc.set_threshold(*_THRESHOLDS)
