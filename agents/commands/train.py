"""`penstock train`: train a model on your own data, or on what is rendered or composed here."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.commands.terminal import counting_bar
from agents.errors import UserError
from models.training.tasks import TASKS, describe_settings, read_settings, train_task


def command(
    task: Annotated[str, typer.Argument(help=f"One of {', '.join(TASKS)}.")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="YAML; what it leaves out has its default."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run; the model is OUT/model.")
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings and their defaults as YAML.")
    ] = False,
) -> None:
    """Train a model; the same command goes on with a run that was ended."""
    if print_config:
        typer.echo(describe_settings(task), nl=False)
        return
    if out is None:
        raise UserError("name the folder of the run: --out RUN")
    values = _read_yaml(config) if config else {}
    settings = read_settings(task, values, config.parent if config else Path())
    again = ["penstock", "train", task, *(["-c", config.name] if config else []), "--out", out.name]
    # Set before torch starts its threads: see `threads` of the settings.
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads or os.cpu_count() or 1))
    with _progress() as show:
        trained, remark = train_task(task, settings, out, shlex.join(again), show)
    for measure in trained.measures:
        typer.echo(f"{measure.metric}\t{measure.value:.4f}\t{measure.dataset}")
    if not trained.measures:
        typer.echo("not measured: nothing was held out", err=True)
    if remark:
        typer.echo(remark, err=True)
    typer.echo(f"{out / 'model'}: the model and its card.md; in a pipeline file:")
    typer.echo(trained.use.replace("FOLDER", f"./{out.name}/model"))


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        values = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{path}: expected settings, `name: value`; see --print-config")
    return values


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for what is being done: pictures, texts, then steps."""
    opened: dict[str, Any] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in opened:
            _close(opened)
            bar = counting_bar(what)
            opened[what] = (bar, bar.__enter__())
        opened[what][1](done, total)

    try:
        yield show
    finally:
        _close(opened)


def _close(opened: dict[str, Any]) -> None:
    for bar, _ in opened.values():
        bar.__exit__(None, None, None)
    opened.clear()
