"""The pipeline's Faust app, for `faust -A agents.app worker` and for agents of your own.

    from agents.app import app

    @app.agent(app.topic("payments"))
    async def check_payments(payments): ...

The app is made when it is first asked for, from the pipeline file that `PENSTOCK_CONFIG` names
(default `penstock.yaml`), so importing this module costs nothing.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any


@functools.cache
def _make_app() -> Any:
    from agents.errors import EXIT_CODE, error_lines, expected_errors
    from agents.pipeline.file import load_pipeline
    from streams.transport.private_names import check_private_names

    path = Path(os.environ.get("PENSTOCK_CONFIG", "penstock.yaml"))
    try:
        check_private_names()
        from agents.worker import Worker

        worker = Worker(load_pipeline(path), path.parent)
    except expected_errors() as error:
        print("\n".join(error_lines(error)), file=sys.stderr)
        raise SystemExit(EXIT_CODE) from None
    worker.app.on_worker_init.connect(functools.partial(_before_work, worker), weak=False)
    return worker.app


def _before_work(worker: Any, sender: Any, **kwargs: Any) -> None:
    """Do what `penstock worker` does before it joins the group."""
    from agents.errors import EXIT_CODE, error_lines, expected_errors
    from agents.pipeline.topics import require_topics

    try:
        require_topics(worker.settings, worker.learning_agents)
        worker.serve_metrics()
        worker.load()
    except expected_errors() as error:
        print("\n".join(error_lines(error)), file=sys.stderr)
        raise SystemExit(EXIT_CODE) from None


def __getattr__(name: str) -> Any:
    if name == "app":
        return _make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
