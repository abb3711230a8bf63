"""The pipeline's Faust app, for `faust -A agents.app worker` and for your own agents.

    from agents.app import app

    @app.agent(app.topic("payments"))
    async def check_payments(payments): ...

The app is made when it is first used, from the pipeline file that `PENSTOCK_CONFIG` names (default
`penstock.yaml`). Importing this module does nothing else.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@functools.cache
def _make_app() -> Any:
    from agents.pipeline.file import load_pipeline
    from streams.transport.private_names import check_private_names

    path = Path(os.environ.get("PENSTOCK_CONFIG", "penstock.yaml"))
    with _errors_in_one_line():
        check_private_names()  # before the imports that need them
        from agents.worker import Worker

        worker = Worker(load_pipeline(path), path.parent)
    worker.app.on_worker_init.connect(functools.partial(_before_work, worker), weak=False)
    return worker.app


def _before_work(worker: Any, sender: Any, **kwargs: Any) -> None:
    """Do what `penstock worker` does before it joins the group."""
    from agents.pipeline.schemas import require_registry
    from agents.pipeline.topics import require_topics
    from agents.process.metrics_server import serve_metrics

    with _errors_in_one_line():
        require_registry(worker.settings)
        require_topics(worker.settings, worker.learning_agents)
        serve_metrics(worker.settings.metrics, worker.metrics.registry, worker.app.health)
        worker.load()


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """Print an expected error without its traceback, and end the process."""
    from agents.errors import EXIT_CODE, error_lines, expected_errors

    try:
        yield
    except expected_errors() as error:
        print("\n".join(error_lines(error)), file=sys.stderr)
        raise SystemExit(EXIT_CODE) from None


def __getattr__(name: str) -> Any:
    if name == "app":
        return _make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
