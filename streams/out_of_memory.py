"""A device that runs out of memory: how that is told, and what an agent learns from it.

No library is imported here: a model may be of any, so its exceptions are known by what they say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Protocol

from schemas import InputError

logger = logging.getLogger(__name__)

#: What PyTorch, ONNX Runtime, CUDA and cuBLAS write where they raise no type of their own.
_PHRASES = (
    "out of memory",  # "CUDA out of memory", "CUDA error: out of memory", "CUDA failure 2: ..."
    "failed to allocate memory",  # ONNX Runtime's arena, of any device
    "can't allocate memory",  # PyTorch's, on the host
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
)


class BatchLimitMetrics(Protocol):
    """Who is told; `AgentMetrics` is one."""

    def out_of_memory(self) -> None:
        """Count a model call that ran out of memory."""
        ...

    def batch_size_limit(self, size: int) -> None:
        """Take note of the largest batch from now on."""
        ...


class BatchSizeLimit:
    """The largest batch that an agent's device has memory for, as far as it is known.

    Starts at the agent's `max_batch_size` and only ever falls: a batch that did not fit is
    evidence, and trying a larger one again later would cost a failed call (and, on a shared GPU,
    maybe a neighbour's) each time. A restart forgets it.

    Thread-safe: all copies of a model share one.
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
            agent: its name, for the log.
            max_batch_size: as configured.
            metrics: told of each failure and of each new limit.
            free_memory: has libraries give back what they hold in reserve on the device.
        """
        self.size = max_batch_size
        self._agent = agent
        self._metrics = metrics
        self._free_memory = free_memory
        self._lock = Lock()
        metrics.batch_size_limit(max_batch_size)

    def ran_out(self) -> None:
        """Count a call that ran out of memory, and make room for another try."""
        self._metrics.out_of_memory()
        self._free_memory()

    def lower_to(self, size: int) -> None:
        """From now on let no batch be larger than `size` events."""
        with self._lock:
            if size >= self.size:
                return
            self.size = size
            self._metrics.batch_size_limit(size)
        logger.warning(
            "%s: a batch of more than %d did not fit into the device's memory: from now on none is "
            "larger; set batch.max_batch_size to it, or give the model a device of its own",
            self._agent, size,
        )  # fmt: skip


def is_out_of_memory(error: Exception) -> bool:
    """Whether an exception, or one that it was raised from, says that memory ran out.

    Of an `InputError` it is never believed: that is a model's own word about an event.
    """
    if isinstance(error, InputError):
        return False
    return any(_says_so(link) for link in _chain(error))


def _says_so(error: BaseException) -> bool:
    # By its name too: PyTorch's is a RuntimeError, and one from another process has no other type.
    if isinstance(error, MemoryError) or type(error).__name__.endswith("MemoryError"):
        return True
    message = str(error).lower()
    return any(phrase in message for phrase in _PHRASES)


def drop_frames(error: Exception) -> None:
    """Let go of the frames of a failed call, and so of what their variables hold.

    That may be the device's memory, or a batch of pictures; and an error that is kept as a value
    often stands in a variable of such a frame: a cycle, which stays until the next collection.
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
