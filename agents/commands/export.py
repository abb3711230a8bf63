"""`penstock export`: write a model as ONNX, in float32, float16 or int8, and compare it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from agents.commands.terminal import JsonOption, print_table
from models.export.exporting import (
    KINDS,
    PICTURE_MODELS,
    check_target,
    export_model,
    open_source,
)


def command(
    source: Annotated[
        str,
        typer.Argument(
            help="A model folder, an ONNX file, or minilm, roberta, digits, traffic, "
            "efficientnet_lite0, traffic_detector, traffic_segmenter."
        ),
    ],
    to: Annotated[str, typer.Option("--to", help=f"One of {', '.join(KINDS)}.")],
    out: Annotated[Path, typer.Option("--out", help="The model folder to write.")],
    calibrate: Annotated[
        Path | None,
        typer.Option(help="Data like the model will see; without, rendered or composed here."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Data to compare with, as for `penstock train`."),
    ] = None,
    read_by: Annotated[
        str | None,
        typer.Option("--as", help=f"The model that reads it: {', '.join(PICTURE_MODELS)}."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads when the speed is measured.")] = 1,
    json: JsonOption = False,
) -> None:
    """Export a model, and print what it lost and gained against float32."""
    words = ["penstock", "export", Path(source).name, "--to", to]
    words += ["--data", data.name] if data else []
    words += ["--calibrate", calibrate.name] if calibrate else []
    check_target(out, to)
    opened = open_source(source, read_by, data, calibrate)
    again = shlex.join([*words, "--out", out.name])
    done = export_model(opened, out, to, threads=threads, command=again)
    if json:
        import msgspec

        typer.echo(msgspec.json.format(msgspec.json.encode(dict(done.lines()))))
    else:
        print_table(["figure", "value"], done.lines())
