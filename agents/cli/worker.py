"""`penstock worker`: run the agents of a pipeline file."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import typer

from agents.cli.log_repeats import NoRepeats
from agents.cli.options import DEFAULT_CONFIG, ConfigOption

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Faust and its libraries tell every step of their own at INFO; ours is what a user runs.
_CHATTY = (
    *("faust", "mode", "aiokafka", "kafka", "asyncio"),
    *("streams.app", "streams.transport", "streams.inference"),  # Faust services, too
)


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
) -> None:
    """Run until SIGTERM or Ctrl-C: then finish what is under way, commit, leave the group.

    Exit code 0 after that; 1 if the broker refused output for good.
    """
    from agents.pipeline_file import load_pipeline
    from agents.preflight import require_topics
    from agents.worker import Worker

    settings = load_pipeline(config)
    _log_to_stderr(log_level)
    require_topics(settings)
    worker = Worker(settings, config.parent)
    worker.load()
    worker.serve_metrics()
    _run(worker)


def _log_to_stderr(level: str) -> None:
    from agents.cli.errors import UserError

    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UserError(f"--log-level {level}: expected DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(level=number, format=_LOG_FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(NoRepeats())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _run(worker: Any) -> None:
    import faust

    worker.app.conf.web_enabled = False
    runner = faust.Worker(
        worker.app, loglevel=None, redirect_stdouts=False, override_logging=False, quiet=True
    )
    runner.spinner = None  # it writes to pipes as well
    try:
        runner.execute_from_commandline()
    except SystemExit:
        if worker.failure is None:
            raise
        raise typer.Exit(1) from worker.failure
