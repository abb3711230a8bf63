"""How batches get from the host to a device, while the device computes another one.

To a GPU: from page-locked memory and on a stream of its own, so that the copy runs beside the
computing; whoever computes waits for just this copy. On the CPU nothing is copied.

`upload` is called on any thread, `tensor` and `address` on the one that computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import torch


class DeviceArray(Protocol):
    """An array on its device, or on the way there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its dimensions."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its elements."""
        ...

    def tensor(self) -> torch.Tensor:
        """Return it for PyTorch: what this thread computes from now on waits for its arrival."""
        ...

    def address(self) -> int:
        """Return where it lies, once it has arrived; for libraries other than PyTorch."""
        ...


class Transfer(Protocol):
    """The way to one device."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array on the host, from which uploads are fastest; its content is undefined."""
        ...

    def upload(self, array: NDArray[Any]) -> DeviceArray:
        """Send a contiguous array on its way; it must not be changed any more."""
        ...


class HostArray:
    """An array where it was made."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def tensor(self) -> torch.Tensor:
        """Return a tensor over the same memory."""
        import torch

        return torch.from_numpy(self._array)

    def address(self) -> int:
        """Return where the array lies."""
        return int(self._array.ctypes.data)


class HostTransfer:
    """The CPU's: there is nowhere to go."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an ordinary array."""
        return np.empty(shape, dtype)

    def upload(self, array: NDArray[Any]) -> HostArray:
        """Return the array itself."""
        return HostArray(array)


class TensorArray:
    """A tensor on its device, or one that a stream of the device is still making."""

    def __init__(self, tensor: torch.Tensor, source: torch.Tensor | None = None) -> None:
        """Take a tensor that the current stream makes; on the CPU it is finished.

        Args:
            tensor: contiguous; it must not be changed any more.
            source: what it is copied from. Kept until the array is dropped, which is after its
                use: the copy reads it later than this call.
        """
        import torch

        self._tensor, self._source = tensor, source
        on_gpu = tensor.is_cuda
        self._arrival = torch.cuda.current_stream(tensor.device).record_event() if on_gpu else None
        self.shape = tuple(tensor.shape)
        self.dtype: np.dtype[Any] = torch.empty(0, dtype=tensor.dtype).numpy().dtype

    def tensor(self) -> torch.Tensor:
        """Return it; the current stream waits for it, the host does not."""
        import torch

        if self._arrival is not None:
            stream = torch.cuda.current_stream(self._tensor.device)
            stream.wait_event(self._arrival)
            # It belongs to the stream that made it, which must not use its memory again until this
            # one is done.
            self._tensor.record_stream(stream)
        return self._tensor

    def address(self) -> int:
        """Return where it lies; the host waits for it, since other libraries' streams can't."""
        if self._arrival is not None:
            self._arrival.synchronize()
        return int(self._tensor.data_ptr())


class SideStream:
    """Work beside what a device computes: on a GPU a stream of its own, on the CPU nothing."""

    def __init__(self, device: str) -> None:
        import torch

        self.device = torch.device(device)
        self._stream: torch.cuda.Stream | None = None
        if self.device.type == "cuda":
            self._stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

    @contextmanager
    def current(self) -> Iterator[None]:
        """Have PyTorch work on it within the block, on this thread."""
        import torch

        if self._stream is None:
            yield
            return
        # The device first: to leave the stream would otherwise claim memory on device 0 as well.
        with torch.cuda.device(self._stream.device), torch.cuda.stream(self._stream):
            yield

    def drain(self) -> None:
        """Wait until all is done that it was given."""
        if self._stream is not None:
            self._stream.synchronize()


class CudaTransfer:
    """A GPU's: page-locked memory, and a stream for copies alone."""

    def __init__(self, device: str) -> None:
        self._stream = SideStream(device)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in page-locked memory, which PyTorch keeps for the next one."""
        import torch

        like = torch.from_numpy(np.empty(0, dtype))
        array: NDArray[Any] = torch.empty(shape, dtype=like.dtype, pin_memory=True).numpy()
        return array

    def upload(self, array: NDArray[Any]) -> TensorArray:
        """Start the copy; an array in ordinary memory is first copied to page-locked memory."""
        import torch

        host = torch.from_numpy(array)
        host = host if host.is_pinned() else host.pin_memory()
        with self._stream.current():
            return TensorArray(host.to(self._stream.device, non_blocking=True), host)


def make_transfer(device: str) -> Transfer:
    """Return the way to `cpu` or `cuda:N`."""
    return HostTransfer() if device == "cpu" else CudaTransfer(device)
