"""Use and memory of the GPUs that this process may use, read from NVIDIA's driver by NVML.

NVML numbers all GPUs of the machine; `CUDA_VISIBLE_DEVICES` names those that this process sees, by
number or by (the start of) their UUID. Source: nvidia-ml-py, NVIDIA's own binding of NVML.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

_LABELS = ("gpu", "uuid")


class GpuMetrics(Collector):
    """The GPUs' metrics, read from the driver whenever they are collected."""

    def __init__(self, nvml: Any, registry: CollectorRegistry, visible: str | None) -> None:
        """Register the metrics.

        Args:
            nvml: the module `pynvml`, initialized.
            registry: where they are exported.
            visible: `CUDA_VISIBLE_DEVICES`; None: all GPUs.
        """
        self._nvml = nvml
        self._gpus = list(_visible_gpus(nvml, visible))
        """Handle and label values of each GPU."""
        self._has_failed = False
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield use and memory of each GPU; one that can't be read is absent."""
        use = _gauge("penstock_gpu_utilization_ratio", "Share of time in which a kernel ran.")
        used = _gauge("penstock_gpu_memory_used_bytes", "Memory that any process uses on the GPU.")
        total = _gauge("penstock_gpu_memory_total_bytes", "The GPU's memory.")
        for handle, labels in self._gpus:
            try:
                memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
                used.add_metric(labels, memory.used)
                total.add_metric(labels, memory.total)
                rates = self._nvml.nvmlDeviceGetUtilizationRates(handle)
                use.add_metric(labels, rates.gpu / 100.0)
            except self._nvml.NVMLError as error:  # gone, or a MIG slice, which has no such rate
                if not self._has_failed:
                    logger.warning("can't read metrics of GPU %s: %s", labels[0], error)
                self._has_failed = True
        yield from (use, used, total)


def watch_gpus(
    registry: CollectorRegistry, environment: Mapping[str, str] = os.environ
) -> GpuMetrics | None:
    """Export the GPUs' metrics; None if nvidia-ml-py or NVIDIA's driver is absent."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:  # no driver, as on any machine without a GPU
        logger.debug("no metrics of GPUs: %s", error)
        return None
    return GpuMetrics(pynvml, registry, environment.get("CUDA_VISIBLE_DEVICES"))


def _visible_gpus(nvml: Any, visible: str | None) -> Iterator[tuple[Any, list[str]]]:
    names = None if visible is None else [name.strip() for name in visible.split(",")]
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(nvml.nvmlDeviceGetUUID(handle))
        if names is None or any(_is_named(name, index, uuid) for name in names if name):
            yield handle, [str(index), uuid]


def _is_named(name: str, index: int, uuid: str) -> bool:
    return name == str(index) or (name.startswith("GPU-") and uuid.startswith(name))


def _gauge(name: str, documentation: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=_LABELS)
