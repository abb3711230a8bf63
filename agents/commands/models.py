"""`penstock models`: list the models that a pipeline file can name."""

from __future__ import annotations

import inspect

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.pipeline.parts import registered_model
from models.base import ModelError, OnlineModel
from models.registry import model_names


class ListedModel(msgspec.Struct, frozen=True):
    """One registered model."""

    name: str
    event: str
    result: str
    """Name of the result type; "" for plain dicts."""
    is_online: bool
    options: dict[str, str]
    """Name of each option, and its default as Python code; "" if it is required."""
    summary: str


def command(json: JsonOption = False) -> None:
    """List the models that a pipeline file can name, with their event types and options."""
    listed = [_listed(name) for name in model_names()]
    if json:
        typer.echo(msgspec.json.encode(listed))
        return
    rows = [
        [m.name, f"{m.event} -> {m.result or 'dict'}", "online" if m.is_online else "stateless",
         " ".join(f"{k}={v}" if v else k for k, v in m.options.items()), m.summary]
        for m in listed
    ]  # fmt: skip
    print_table(["model", "events", "kind", "options", "what it does"], rows)


def _listed(name: str) -> ListedModel:
    try:
        cls = registered_model(name)
    except ModelError as error:
        # One model that can't be imported must not hide the others.
        return ListedModel(name, "?", "?", False, {}, str(error))
    parameters = inspect.signature(cls).parameters.values()
    return ListedModel(
        name=name,
        event=cls.event_type.__name__,
        result=cls.result_type.__name__ if cls.result_type else "",
        is_online=issubclass(cls, OnlineModel),
        options={p.name: "" if p.default is p.empty else repr(p.default) for p in parameters},
        summary=(inspect.getdoc(cls) or "").partition("\n")[0],
    )
