"""`penstock bench`: the harness in `benchmarks/`, which only a checkout of Penstock has."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from agents.errors import UserError

_CHECKOUT = Path(__file__).parents[2]


def _load_harness() -> typer.Typer:
    if not (_CHECKOUT / "benchmarks" / "harness").is_dir():
        raise UserError(
            f"{_CHECKOUT / 'benchmarks'} is absent: run the bench from a checkout of Penstock"
        )
    if str(_CHECKOUT) not in sys.path:
        sys.path.append(str(_CHECKOUT))
    from benchmarks.harness.command import app

    return app


app = _load_harness()
