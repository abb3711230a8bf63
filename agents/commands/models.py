"""`penstock models`: list the models that a pipeline file can name."""

from __future__ import annotations

import inspect
from typing import Annotated

import msgspec
import typer

from agents.commands.terminal import JsonOption, print_table
from agents.errors import UserError
from agents.pipeline.parts import registered_model
from models.base import ModelError, OnlineModel
from models.catalog import CATALOG, CatalogEntry
from models.evaluation import Measure
from models.quality import Quality, headline, read_quality, rows_of
from models.registry import model_names


class ListedModel(msgspec.Struct, frozen=True, kw_only=True):
    """One registered model."""

    name: str
    task: str
    event: str
    result: str = ""
    """Name of the result type; "" for plain dicts."""
    is_online: bool = False
    num_parameters: int = 0
    """Of the weights that Penstock ships."""
    num_bytes: int = 0
    brought: str = ""
    """Weights of other packages that it can use."""
    licence: str = ""
    weights_licence: str = ""
    paper: str = ""
    measured: str = ""
    """The day of the figures in `quality`."""
    quality: list[Measure] = []
    options: dict[str, str] = {}
    """Name of each option, and its default as Python code; "" if it is required."""
    summary: str = ""


def command(
    name: Annotated[
        str | None, typer.Argument(help="A model, to show all of it; without one, a list.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the models that a pipeline file can name: task, size, licence, last measured quality."""
    if name is not None and name not in model_names():
        raise UserError(f"no model {name!r}: expected one of {', '.join(model_names())}")
    measured = read_quality()
    listed = [_listed(one, measured) for one in ([name] if name else model_names())]
    if json:
        typer.echo(msgspec.json.encode(listed))
    elif name:
        _print_one(listed[0])
    else:
        columns = [
            "model",
            "task",
            "events",
            "kind",
            "weights",
            "licence",
            "quality",
            "what it does",
        ]
        print_table(columns, [_row(model) for model in listed])


def _row(model: ListedModel) -> list[str]:
    return [
        model.name,
        model.task,
        f"{model.event} -> {model.result or 'dict'}",
        "online" if model.is_online else "stateless",
        _size(model) or ("your file" if model.weights_licence else "none"),
        model.licence,
        headline(model.quality),
        model.summary,
    ]


def _print_one(model: ListedModel) -> None:
    rows = [
        ["what it does", model.summary],
        ["task", model.task],
        ["events", f"{model.event} -> {model.result or 'dict'}"],
        ["kind", "online" if model.is_online else "stateless"],
        ["shipped weights", _size(model) or "none"],
        ["other weights", model.brought or "none"],
        ["licence", f"{model.licence}; weights: {model.weights_licence or 'none'}"],
        ["paper", model.paper or "none"],
        *([f"option {name}", value or "required"] for name, value in model.options.items()),
        *(
            [f"measured {model.measured}", f"{m.metric} {m.value:.4g}: {m.dataset}, {m.model}"]
            for m in model.quality
        ),
    ]
    print_table(["", model.name], rows)


def _size(model: ListedModel) -> str:
    if not model.num_bytes:
        return ""
    return f"{model.num_parameters / 1e6:.2f} M, {model.num_bytes / 1e6:.1f} MB"


def _listed(name: str, measured: Quality) -> ListedModel:
    try:
        cls = registered_model(name)
    except ModelError as error:
        # One model that can't be imported must not hide the others.
        return ListedModel(name=name, task="?", event="?", result="?", summary=str(error))
    parameters = inspect.signature(cls).parameters.values()
    facts = CATALOG.get(name, CatalogEntry(task="?", paper=""))
    rows = rows_of(name, measured.rows)
    return ListedModel(
        name=name,
        task=facts.task,
        event=cls.event_type.__name__,
        result=cls.result_type.__name__ if cls.result_type else "",
        is_online=issubclass(cls, OnlineModel),
        num_parameters=facts.num_parameters,
        num_bytes=facts.num_bytes,
        brought=facts.brought,
        licence=facts.licence,
        weights_licence=facts.weights_licence,
        paper=facts.paper,
        measured=measured.dates.get(rows[0].task, "") if rows else "",
        quality=rows,
        options={p.name: "" if p.default is p.empty else repr(p.default) for p in parameters},
        summary=(inspect.getdoc(cls) or "").partition("\n")[0],
    )
