"""The GPUs' metrics: those that the process may use, and none where there is no driver.

NVML needs a driver, so a stand-in with its functions takes its place; `test_without_a_gpu...` runs
the real binding, and `test_on_a_gpu` the real driver where there is one.
"""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from streams.health.gpu_metrics import GpuMetrics, watch_gpus


class NvmlError(Exception):
    """As `pynvml.NVMLError`."""


class FakeNvml:
    """Three GPUs, of which the last can't be read."""

    NVMLError = NvmlError

    def nvmlDeviceGetCount(self) -> int:
        return 3

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str:
        return f"GPU-{handle}abc-def"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        if handle == 2:
            raise NvmlError("GPU is lost")
        return SimpleNamespace(used=1000 + handle, total=4000)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:
        return SimpleNamespace(gpu=25, memory=3)


def used(visible: str | None) -> dict[str, float]:
    registry = CollectorRegistry()
    GpuMetrics(FakeNvml(), registry, visible)
    return {
        sample.labels["gpu"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "penstock_gpu_memory_used_bytes"
    }


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, {"0": 1000, "1": 1001}),
        ("1", {"1": 1001}),
        ("GPU-0abc", {"0": 1000}),
        ("2", {}),
        ("", {}),
    ],
)
def test_only_visible_gpus_that_answer_are_exported(
    visible: str | None, expected: dict[str, float]
) -> None:
    assert used(visible) == expected


def test_use_is_a_ratio() -> None:
    registry = CollectorRegistry()
    GpuMetrics(FakeNvml(), registry, "0")
    labels = {"gpu": "0", "uuid": "GPU-0abc-def"}
    assert registry.get_sample_value("penstock_gpu_utilization_ratio", labels) == 0.25
    assert registry.get_sample_value("penstock_gpu_memory_total_bytes", labels) == 4000


def has_gpu() -> bool:
    """Whether the real NVML finds a GPU."""
    if importlib.util.find_spec("pynvml") is None:
        return False
    import pynvml

    try:
        pynvml.nvmlInit()
        return bool(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return False


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_exported() -> None:
    registry = CollectorRegistry()
    assert watch_gpus(registry, {}) is None
    assert list(registry.collect()) == []


@pytest.mark.gpu
@pytest.mark.skipif(not has_gpu(), reason="no GPU")
def test_on_a_gpu_its_memory_is_exported() -> None:
    registry = CollectorRegistry()
    assert watch_gpus(registry, {}) is not None
    values = {s.name: s.value for family in registry.collect() for s in family.samples}
    assert 0 < values["penstock_gpu_memory_used_bytes"] < values["penstock_gpu_memory_total_bytes"]
    assert 0 <= values["penstock_gpu_utilization_ratio"] <= 1
