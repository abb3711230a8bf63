"""Copy batches from the host to a device while the device computes an earlier one.

To a GPU: from page-locked memory and on a separate stream, so that copying and computing overlap;
the computation waits for this copy only. On the CPU nothing is copied.

`upload` may be called on any thread, `tensor` and `address` only on the thread that computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    import torch


class DeviceArray(Protocol):
    """An array on its device, or being copied there."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions of the array."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        ...

    def tensor(self) -> torch.Tensor:
        """Return it as a tensor; work that this thread starts from now on waits for the copy."""
        ...

    def address(self) -> int:
        """Wait for the copy and return its address, for libraries other than PyTorch."""
        ...


class Transfer(Protocol):
    """Copies arrays to one device."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an uninitialized array on the host, in the memory that is copied fastest."""
        ...

    def upload(self, array: NDArray[Any]) -> DeviceArray:
        """Start copying a contiguous array, which must not be changed any more."""
        ...


class HostArray:
    """An array that stays on the host."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape: tuple[int, ...] = array.shape
        self.dtype: np.dtype[Any] = array.dtype

    def tensor(self) -> torch.Tensor:
        """Return a tensor over the same memory."""
        import torch

        return torch.from_numpy(self._array)

    def address(self) -> int:
        """Return the array's address."""
        return int(self._array.ctypes.data)


class HostTransfer:
    """The transfer for the CPU, which copies nothing."""

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an ordinary array."""
        return np.empty(shape, dtype)

    def upload(self, array: NDArray[Any]) -> HostArray:
        """Return the array itself."""
        return HostArray(array)


class CudaArray:
    """A tensor on its GPU, or one that is still being copied there."""

    def __init__(self, tensor: torch.Tensor, source: torch.Tensor) -> None:
        """Take a tensor that the current stream is copying.

        Args:
            tensor: contiguous; it must not be changed any more.
            source: what it is copied from. Kept until this array is dropped, which is after its
                use: the copy reads it later than this call.
        """
        import torch

        self._tensor, self._source = tensor, source
        self._arrival = torch.cuda.current_stream(tensor.device).record_event()
        self.shape = tuple(tensor.shape)
        self.dtype: np.dtype[Any] = torch.empty(0, dtype=tensor.dtype).numpy().dtype

    def tensor(self) -> torch.Tensor:
        """Return the tensor; the current stream waits for the copy, the host does not."""
        import torch

        stream = torch.cuda.current_stream(self._tensor.device)
        stream.wait_event(self._arrival)
        # The tensor belongs to the stream that copied it, which must not reuse its memory before
        # this stream is done with it.
        self._tensor.record_stream(stream)
        return self._tensor

    def address(self) -> int:
        """Return the address; the host waits for the copy, since other libraries' streams can't."""
        self._arrival.synchronize()
        return int(self._tensor.data_ptr())


class CudaTransfer:
    """The transfer to a GPU: page-locked memory, and a stream for copies only."""

    def __init__(self, device: str) -> None:
        import torch

        self._stream = torch.cuda.Stream(torch.device(device))  # type: ignore[no-untyped-call]

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array in page-locked memory, which PyTorch reuses for later arrays."""
        import torch

        like = torch.from_numpy(np.empty(0, dtype))
        array: NDArray[Any] = torch.empty(shape, dtype=like.dtype, pin_memory=True).numpy()
        return array

    def upload(self, array: NDArray[Any]) -> CudaArray:
        """Start the copy; an array in ordinary memory is first copied to page-locked memory."""
        import torch

        host = torch.from_numpy(array)
        host = host if host.is_pinned() else host.pin_memory()
        # The device first: leaving the stream would otherwise allocate memory on device 0 as well.
        with torch.cuda.device(self._stream.device), torch.cuda.stream(self._stream):
            return CudaArray(host.to(self._stream.device, non_blocking=True), host)


def make_transfer(device: str) -> Transfer:
    """Return the transfer to `cpu` or `cuda:N`."""
    return HostTransfer() if device == "cpu" else CudaTransfer(device)
