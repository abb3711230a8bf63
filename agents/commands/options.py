"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="PENSTOCK_CONFIG", help="The pipeline file."),
]
"""A parameter's type; its default is `DEFAULT_CONFIG`."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]

DEFAULT_CONFIG = Path("penstock.yaml")
