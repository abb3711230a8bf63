"""Detects out-of-memory errors of a device and lowers the agent's batch size limit.

A model may use any library, so no library is imported here: errors are recognized by their names
and messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Protocol

from schemas import InputError

logger = logging.getLogger(__name__)

#: Messages of PyTorch, ONNX Runtime, CUDA and cuBLAS in errors of general types.
_PHRASES = (
    "out of memory",  # "CUDA out of memory", "CUDA error: out of memory", "CUDA failure 2: ..."
    "failed to allocate memory",  # ONNX Runtime, on any device
    "can't allocate memory",  # PyTorch, on the host
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)


class BatchLimitMetrics(Protocol):
    """The metrics that a `BatchSizeLimit` updates; `AgentMetrics` implements them."""

    def out_of_memory(self) -> None:
        """Count a model call that ran out of memory."""
        ...

    def batch_size_limit(self, size: int) -> None:
        """Export the present limit."""
        ...


class BatchSizeLimit:
    """The largest batch that an agent's device has memory for, as far as known.

    It starts at the agent's `max_batch_size` and never rises: each attempt with a larger batch
    would cost a failed call, and on a shared GPU perhaps another process's call. A restart resets
    it.

    Thread-safe: all copies of a model share one limit.
    """

    def __init__(
        self,
        agent: str,
        max_batch_size: int,
        metrics: BatchLimitMetrics,
        free_memory: Callable[[], None],
    ) -> None:
        """Start at the configured size.

        Args:
            agent: the agent's name, for the log.
            max_batch_size: the configured size.
            metrics: updated with each failure and each new limit.
            free_memory: lets libraries release the device memory that they reserve.
        """
        self.size = max_batch_size
        self._agent = agent
        self._metrics = metrics
        self._free_memory = free_memory
        self._lock = Lock()
        metrics.batch_size_limit(max_batch_size)

    def ran_out(self) -> None:
        """Count a call that ran out of memory, and free memory for another attempt."""
        self._metrics.out_of_memory()
        self._free_memory()

    def lower_to(self, size: int) -> None:
        """Limit batches to `size` events from now on; a higher value has no effect."""
        with self._lock:
            if size >= self.size:
                return
            self.size = size
            self._metrics.batch_size_limit(size)
        logger.warning(
            "%s: a batch of more than %d events did not fit into the device's memory; larger "
            "batches are no longer formed. Set batch.max_batch_size to this number, or give the "
            "model a device that it does not share",
            self._agent, size,
        )  # fmt: skip


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an exception, or one of its causes, reports a lack of memory.

    Never for an `InputError`: its text is about an event.
    """
    if isinstance(error, InputError):
        return False
    return any(_reports_lack_of_memory(link) for link in _chain(error))


def _reports_lack_of_memory(error: BaseException) -> bool:
    # The name counts too: PyTorch's error is a RuntimeError, and an error from a child process has
    # only its name.
    if isinstance(error, MemoryError) or type(error).__name__.endswith("MemoryError"):
        return True
    message = str(error).lower()
    return any(phrase in message for phrase in _PHRASES)


def drop_frames(error: Exception) -> None:
    """Remove the frames of a failed call from its error, which frees their variables.

    These variables may hold device memory or a batch of pictures. And if such a variable holds the
    error itself, error and frame form a cycle, which is freed only by the next garbage collection.
    """
    for link in _chain(error):
        link.__traceback__ = None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
