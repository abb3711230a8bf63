"""`penstock` whose metrics count nothing and are served nowhere, for `penstock bench metrics`."""

from __future__ import annotations

import inspect
from typing import Any

from agents.cli import main
from streams.metrics import AgentMetrics, Metrics


def nothing(*args: Any, **kwargs: Any) -> None:
    """Count nothing."""


for name, _ in inspect.getmembers(AgentMetrics, inspect.isfunction):
    if not name.startswith("_"):
        setattr(AgentMetrics, name, nothing)
Metrics.serve = lambda self, host, port: 0  # type: ignore[method-assign]
main()
