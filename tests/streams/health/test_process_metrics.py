"""The process's threads are counted, those of native libraries too."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streams.health.process_metrics import ProcessMetrics

_NAME = "penstock_process_threads"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_thread_more_counts() -> None:
    registry = CollectorRegistry()
    ProcessMetrics(registry)
    before, end = registry.get_sample_value(_NAME), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert before is not None
        assert registry.get_sample_value(_NAME) == before + 1
    finally:
        end.set()
        thread.join()


def test_without_proc_python_s_threads_are_counted(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    ProcessMetrics(registry, tmp_path / "absent")
    assert registry.get_sample_value(_NAME) == threading.active_count()
