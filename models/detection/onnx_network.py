"""A detector's network in ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.detection.boxes import Floats
from models.detection.networks import Part, Signature
from models.detection.onnx_inputs import extra_values, read_inputs
from models.onnx_session import open_session
from models.transfer import DeviceArray, make_transfer


@dataclass(frozen=True)
class _Uploaded:
    """A batch, cut to the batch size that the file takes."""

    parts: Sequence[DeviceArray]
    """One, or several if the network takes fewer pictures at a time; the last one is padded if the
    file fixes the batch size."""
    sizes: Sequence[int]
    """Pictures in each part."""


class OnnxNetwork:
    """An ONNX file in ONNX Runtime; its input is copied to the device before it runs.

    Where it takes one picture at a time, the pictures of a batch are run side by side on the CPU:
    a small network then keeps all threads busy.
    """

    def __init__(self, path: Path, device: str, threads: int) -> None:
        threads = threads or int(os.environ.get("OMP_NUM_THREADS") or 0)
        self._session = open_session(path, device, threads)
        self._input, self._extras = read_inputs(self._session, path)
        self._output_names = [output.name for output in self._session.get_outputs()]
        self.signature = Signature(
            self._input.batch_size,
            self._input.height,
            self._input.width,
            self._output_names,
            [node.name for node in self._extras],
            dict(self._session.get_modelmeta().custom_metadata_map),
            self._input.dtype == np.uint8,
        )
        self._part_size = self._input.batch_size
        kind, _, index = device.partition(":")
        self._place = (kind, int(index or 0))
        self._num_threads = threads or len(os.sched_getaffinity(0))
        self._pool: ThreadPoolExecutor | None = None
        if self._part_size == 1:
            self.run_one_by_one()
        self.transfer = make_transfer(device)

    def run_one_by_one(self) -> None:
        """From now on, give each picture a run: the network takes no more at a time."""
        self._part_size = 1
        if self._place[0] == "cpu" and self._num_threads > 1 and self._pool is None:
            self._pool = ThreadPoolExecutor(self._num_threads, thread_name_prefix="network")

    def close(self) -> None:
        """End the threads that run pictures side by side."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    def upload(self, pixels: Floats) -> _Uploaded:
        """Start copying the pixels, in parts if the network takes fewer at a time."""
        converted = self._input.convert(pixels)
        size = self._part_size or len(converted)
        cuts = [converted[start : start + size] for start in range(0, len(converted), size)]
        padded_to = self._input.batch_size
        parts = [self.transfer.upload(_padded(cut, padded_to or len(cut))) for cut in cuts]
        return _Uploaded(parts, [len(cut) for cut in cuts])

    def run(self, uploaded: _Uploaded) -> list[Part]:
        """Run the file and return its outputs on the host, for each part."""
        side_by_side = self._pool.map if self._pool and len(uploaded.parts) > 1 else map
        runs = list(side_by_side(self._run_part, uploaded.parts))
        return [Part(outputs, size) for outputs, size in zip(runs, uploaded.sizes, strict=True)]

    def _run_part(self, part: DeviceArray) -> list[Floats]:
        binding = self._session.io_binding()
        shape = self._input.shape_of(part.shape)
        binding.bind_input(self._input.name, *self._place, part.dtype, shape, part.address())
        for node in self._extras:
            binding.bind_cpu_input(node.name, extra_values(node, self._input.size_of(part.shape)))
        for name in self._output_names:
            binding.bind_output(name, "cpu")
        self._session.run_with_iobinding(binding)
        return [o.astype(np.float32, copy=False) for o in binding.copy_outputs_to_cpu()]


def _padded(pixels: Any, size: int) -> Any:
    missing = size - len(pixels)
    if missing == 0:
        return pixels
    return np.concatenate([pixels, np.zeros((missing, *pixels.shape[1:]), pixels.dtype)])
