"""`penstock worker`: run the agents of a pipeline file."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.commands import PENSTOCK
from agents.commands.log_outages import OneOutage
from agents.commands.log_repeats import NoRepeats
from agents.commands.options import DEFAULT_CONFIG, ConfigOption
from agents.commands.standard_streams import forgive_unwritable
from streams.settings import PipelineSettings

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
#: Faust and its libraries tell every step of their own at INFO; ours is what a user runs.
_CHATTY = (
    *("faust", "mode", "aiokafka", "kafka", "asyncio"),
    *("streams.app", "streams.transport"),
    *("streams.inference", "streams.health.health"),  # services, too
)
#: Beyond `shutdown_timeout_seconds`: to commit, to leave the group, and for the loop's end.
_LEAVING_SECONDS = 15.0


def command(
    config: ConfigOption = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = "INFO",
    processes: Annotated[
        str,
        typer.Option(
            metavar="N|auto",
            help="Run N members of the group, each with its share of this machine's cores and "
            "GPUs; auto: one a core. Without it: one process, which shares the machine.",
        ),
    ] = "",
    process: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    """Run until SIGTERM or Ctrl-C: then finish what is under way, commit, leave the group.

    Exit code 0 after that; 1 if the broker refused output for good, 3 if a model call hung. With
    --processes, the first process that fails ends the others in order, and its exit code is that
    of all.
    """
    from agents.errors import UserError, expected_errors
    from agents.pipeline.file import load_pipeline

    forgive_unwritable()
    if process:
        try:
            _run_one_of_several(config, log_level, process)
        except expected_errors() as error:
            raise UserError(f"[{process}] {error}") from error
        return
    settings = load_pipeline(config)
    count = _num_processes(processes)
    _log_to_stderr(log_level)
    from agents.pipeline.preflight import require_topics
    from agents.pipeline.states import learning_agents

    require_topics(settings, learning_agents(settings, config.parent))
    if count > 1:
        raise typer.Exit(_run_several(config, settings, log_level, count))
    _run(settings, config.parent, has_the_machine=count == 1)


def _num_processes(asked: str) -> int:
    """Return how many processes are asked for; 0: nothing is said of it."""
    from agents.errors import UserError
    from agents.process.cores import cores_worth

    if asked == "auto":
        return cores_worth()
    if asked and not (asked.isdecimal() and int(asked) > 0):
        raise UserError(f"--processes {asked}: expected a whole number of at least 1, or auto")
    return int(asked or 0)


def _run_several(config: Path, settings: PipelineSettings, log_level: str, count: int) -> int:
    from agents.process.group import run_together
    from agents.process.share import require_room, visible_gpus

    require_room(settings, count, len(visible_gpus(os.environ)))
    command = (*PENSTOCK, "worker", "-c", str(config), "--log-level", log_level, "--process")
    names = [f"{i + 1}/{count}" for i in range(count)]
    seconds = settings.shutdown_timeout_seconds + _LEAVING_SECONDS
    return run_together({name: (*command, name) for name in names}, seconds)


def _run_one_of_several(config: Path, log_level: str, process: str) -> None:
    from agents.pipeline.file import load_pipeline
    from agents.process.exit_with_parent import watch_parent
    from agents.process.share import Share

    settings = load_pipeline(config)
    watch_parent(settings.shutdown_timeout_seconds + _LEAVING_SECONDS)
    _log_to_stderr(log_level, f"[{process}] ")
    share = Share.parse(process)
    share.take()
    _run(share.settings(settings), config.parent, has_the_machine=True)


def _log_to_stderr(level: str, prefix: str = "") -> None:
    from agents.errors import UserError

    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise UserError(f"--log-level {level}: expected DEBUG, INFO, WARNING or ERROR")
    logging.basicConfig(level=number, format=prefix + _LOG_FORMAT)
    for handler in logging.getLogger().handlers:
        handler.addFilter(NoRepeats())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))


def _run(settings: PipelineSettings, base_dir: Path, has_the_machine: bool) -> None:
    from agents.commands.event_loop import use_fast_loop
    from agents.worker import Worker

    use_fast_loop()
    worker = Worker(settings, base_dir)
    health = worker.app.health
    for handler in logging.getLogger().handlers:
        handler.addFilter(OneOutage(lambda: health.is_broker_away or health.has_given_up))
    worker.serve_metrics()  # before the models are loaded, which may take minutes
    worker.load()
    if has_the_machine:
        worker.share_one_core()
    _run_until_stopped(worker)


def _run_until_stopped(worker: Any) -> None:
    import faust

    from agents.process.forced_exit import end_process

    worker.app.conf.web_enabled = False
    runner = faust.Worker(
        worker.app, loglevel=None, redirect_stdouts=False, override_logging=False, quiet=True
    )
    runner.spinner = None  # it writes to pipes as well
    worker.end_in_time(_LEAVING_SECONDS / 2)
    try:
        runner.execute_from_commandline()
    except SystemExit as ended:
        code = _exit_code(worker.failure, ended)
        if worker.has_calls:
            end_process(code)
        raise typer.Exit(code) from worker.failure


def _exit_code(failure: BaseException | None, ended: SystemExit) -> int:
    from agents.process.forced_exit import HANG_EXIT_CODE, ModelHangsError

    if failure is not None:
        return HANG_EXIT_CODE if isinstance(failure, ModelHangsError) else 1
    return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
