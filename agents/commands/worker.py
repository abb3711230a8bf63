"""`penstock worker`: run the agents of a pipeline file."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from agents.commands import PENSTOCK
from agents.commands.terminal import DEFAULT_CONFIG, ConfigOption
from agents.commands.worker_log import (
    LogFormat,
    ignore_unwritable_log,
    log_missing_topics_once,
    log_outages_once,
    log_to_stderr,
)
from agents.errors import EXIT_CODE, UserError, expected_errors
from streams.settings import PipelineSettings

logger = logging.getLogger(__name__)

#: A stopping worker may take this long beyond `shutdown_timeout_seconds`: to commit, to store state
#: and to leave its group. Then it ends by force: docs/operations.md promises 8 seconds.
_LEAVING_SECONDS = 7.5
#: The same for processes that are started by one command, before it kills them.
_KILL_SECONDS = 15.0


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    processes: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Run N members of the group, each with its share of this machine's cores and "
            "GPUs; auto: one a core. Without it: one process.",
        ),
    ] = "",
    log_format: Annotated[
        LogFormat,
        typer.Option(
            envvar="PENSTOCK_LOG_FORMAT",
            help="text, json (one object a line), or auto: text on a terminal, json elsewhere.",
        ),
    ] = LogFormat.TEXT,
    process: Annotated[str, typer.Option(hidden=True)] = "",
    metrics_socket: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run until SIGTERM or Ctrl-C: then finish what is under way, commit, leave the group.

    Exit code 0 after that, and at once while the models load; 1 if the broker refused output for
    good, 3 if a model call hung. With --processes, the first process that fails ends the others
    in order, and its exit code is that of all.
    """
    from agents.process.exit import end_on_signals

    ignore_unwritable_log()
    with end_on_signals():  # until the app handles them
        if process:
            try:
                log_to_stderr(log_level, process, log_format)
                _run_one_of_several(config, process, metrics_socket)
            except expected_errors() as error:
                _end_with_json(error, log_format)
                raise UserError(f"[{process}] {error}") from error
            return
        log_to_stderr(log_level, form=log_format)
        try:
            count = _num_processes(processes)
            settings = _load_settings(config)
            if count == 1:
                _run(settings, config.parent)
                return
            code = _run_several(config, settings, (log_level, log_format), count)
        except expected_errors() as error:
            _end_with_json(error, log_format)
            raise
    raise typer.Exit(code)


def _end_with_json(error: Exception, log_format: LogFormat) -> None:
    """Write the reason why a worker can't run as a line of its log, where that is JSON, and end."""
    if log_format.is_json:
        logger.error("%s", error)
        raise typer.Exit(EXIT_CODE) from error


def _load_settings(config: Path) -> PipelineSettings:
    """Read the pipeline file and check that its topics exist."""
    from agents.pipeline.file import load_pipeline

    settings = load_pipeline(config)
    from agents.pipeline.schemas import require_registry
    from agents.pipeline.topics import learning_agents, require_topics
    from streams.kafka.login import token_source
    from streams.kafka.tokens import await_token

    require_registry(settings)
    if (source := token_source(settings.kafka)) is not None:
        await_token(source)
    require_topics(settings, learning_agents(settings, config.parent))
    return settings


def _num_processes(option: str) -> int:
    """Return how many processes to run."""
    from agents.process.share import usable_cores

    if option == "auto":
        return usable_cores()
    if option and not (option.isdecimal() and int(option) > 0):
        raise UserError(f"--processes {option}: expected a whole number of at least 1, or auto")
    return int(option or 1)


def _run_several(
    config: Path, settings: PipelineSettings, log: tuple[str, LogFormat], count: int
) -> int:
    from agents.process.group import run_together
    from agents.process.group_metrics import serve_group
    from agents.process.share import require_room, visible_gpus

    require_room(settings, count, len(visible_gpus(os.environ)))
    # The children's stderr is this process's: `auto` is the same for all.
    log_options = ("--log-level", log[0], "--log-format", log[1].value)
    command = (*PENSTOCK, "worker", "-c", str(config), *log_options)
    seconds = settings.shutdown_timeout_seconds + _KILL_SECONDS
    with TemporaryDirectory(prefix="penstock-", ignore_cleanup_errors=True) as folder:
        sockets = {f"{i + 1}/{count}": Path(folder) / f"{i + 1}.sock" for i in range(count)}
        serve_group(settings.metrics, sockets)
        return run_together(
            {
                name: (*command, "--process", name, "--metrics-socket", str(path))
                for name, path in sockets.items()
            },
            seconds,
        )


def _run_one_of_several(config: Path, process: str, socket: Path | None) -> None:
    from agents.pipeline.file import load_pipeline
    from agents.process.exit_with_parent import watch_parent
    from agents.process.share import Share

    settings = load_pipeline(config)
    watch_parent(settings.shutdown_timeout_seconds + _KILL_SECONDS)
    share = Share.parse(process)
    share.take()
    _run(share.settings(settings), config.parent, socket)


def _run(settings: PipelineSettings, base_dir: Path, metrics_socket: Path | None = None) -> None:
    from streams.transport.private_names import check_private_names

    check_private_names()  # before the imports that need them
    from agents.process.metrics_server import serve_metrics, serve_metrics_locally
    from agents.worker import Worker

    use_fast_loop()
    worker = Worker(settings, base_dir, on_stopping=_end_in_time)
    health = worker.app.health
    log_outages_once(lambda: health.is_broker_away or health.has_given_up)
    log_missing_topics_once(lambda topic: topic in worker.app.pipeline_topics)
    # Before the models are loaded, which may take minutes.
    registry = worker.metrics.registry
    if metrics_socket is None:
        serve_metrics(settings.metrics, registry, health)
    else:
        serve_metrics_locally(metrics_socket, registry, health)
    worker.load()
    _run_until_stopped(worker)


def use_fast_loop() -> None:
    """Make new event loops uvloop's if it is installed; call it before the first is made."""
    import asyncio

    with suppress(ImportError):  # there is none for Windows
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _end_in_time(app: Any) -> None:
    """Have the process end soon after its app begins to stop, whatever does not end by itself."""
    from agents.process.exit import end_process_after, exit_code_of

    code = 0 if app.failure is None else exit_code_of(app.failure)
    end_process_after(app.drain_seconds + _LEAVING_SECONDS, code)


def _run_until_stopped(worker: Any) -> None:
    import faust

    from agents.process.exit import end_process

    worker.app.conf.web_enabled = False
    runner = faust.Worker(
        worker.app, loglevel=None, redirect_stdouts=False, override_logging=False, quiet=True
    )
    runner.spinner = None  # it writes to pipes too
    try:
        runner.execute_from_commandline()
    except SystemExit as end:
        code = _exit_code(worker.app.failure, end)
        if worker.has_calls:
            end_process(code)
        raise typer.Exit(code) from worker.app.failure


def _exit_code(failure: BaseException | None, end: SystemExit) -> int:
    from agents.process.exit import exit_code_of

    if failure is not None:
        return exit_code_of(failure)
    return end.code if isinstance(end.code, int) else int(end.code is not None)
