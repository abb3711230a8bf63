"""Replay the kernels of a network as one launch on a GPU.

A small network on a small batch has hundreds of kernels that each run for microseconds: starting
them one by one takes the host longer than the GPU needs for the work.

This module needs a CUDA device: use it only where there is one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from models.base import ModelError

if TYPE_CHECKING:
    import torch

    Compute = Callable[[torch.Tensor], list[torch.Tensor]]

#: Batch sizes that are captured; each keeps its memory. Others are computed as usual.
_MAX_SIZES = 16
#: Runs before the capture, in which libraries choose their kernels and allocate.
_NUM_WARM_UPS = 3


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    pixels: torch.Tensor
    outputs: list[torch.Tensor]


class CudaGraphs:
    """Computes batches, one captured graph for each batch size. One caller at a time."""

    def __init__(self, compute: Compute) -> None:
        """Take a function whose kernels depend on the shape of its input alone."""
        self._compute = compute
        self._captured: dict[tuple[int, ...], _Captured] = {}

    def run(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Return what the function returns for the pixels, which are on the GPU."""
        shape = tuple(pixels.shape)
        if shape not in self._captured:
            if len(self._captured) >= _MAX_SIZES:
                return self._compute(pixels)
            self._captured[shape] = self._capture_or_explain(pixels)
        captured = self._captured[shape]
        captured.pixels.copy_(pixels)
        captured.graph.replay()
        # The next replay writes into the same memory.
        return [output.clone() for output in captured.outputs]

    def _capture_or_explain(self, pixels: torch.Tensor) -> _Captured:
        """Capture a batch size.

        Raises:
            ModelError: the network can't be captured.
        """
        import torch

        try:
            return self._capture(pixels)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:  # CUDA's "operation not permitted when stream is capturing"
            reason = (str(error).splitlines() or [""])[0]
            raise ModelError(
                f"cuda_graphs: the kernels of this network can't be captured: {reason}: leave the "
                "option cuda_graphs off"
            ) from error

    def _capture(self, pixels: torch.Tensor) -> _Captured:
        import torch

        with torch.cuda.device(pixels.device):
            inputs = pixels.clone()
            aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(_NUM_WARM_UPS):
                    self._compute(inputs)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            # Other threads go on copying batches to the GPU.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                outputs = self._compute(inputs)
        return _Captured(graph, inputs, outputs)
