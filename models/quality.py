"""The committed figures of the models: what `penstock eval --all --out FILE` measured last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from models.base import ModelError
from models.evaluation import Measure

#: Written by `penstock eval --all --data DIR --out models/quality.json`.
QUALITY_FILE = Path(__file__).parent / "quality.json"


class Quality(msgspec.Struct, frozen=True, kw_only=True):
    """Measured figures; each row has the command that measures it again."""

    dates: dict[str, str]
    """For each task, the day of its figures: YYYY-MM-DD (UTC)."""
    rows: list[Measure]
    """By task, in the order of the names."""

    def with_task(self, task: str, date: str, rows: Sequence[Measure]) -> Quality:
        """Return these figures with those of one task replaced."""
        others = [row for row in self.rows if row.task != task]
        kept = sorted([*others, *rows], key=lambda row: row.task)  # stable within a task
        return Quality(dates=dict(sorted({**self.dates, task: date}.items())), rows=kept)


def read_quality(path: Path = QUALITY_FILE) -> Quality:
    """Return the figures of a file.

    Raises:
        ModelError: absent, or not written by `penstock eval --out`.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Quality)
    except (OSError, msgspec.MsgspecError) as error:
        raise ModelError(f"{path}: {error}: expected what `penstock eval --out` writes") from error


def write_quality(path: Path, quality: Quality) -> None:
    """Write figures in one move."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(quality)) + b"\n")
    os.replace(part, path)


def rows_of(model: str, rows: Sequence[Measure]) -> list[Measure]:
    """Return the rows of a registered model: its name, or its name and a variant in brackets."""
    return [row for row in rows if row.model == model or row.model.startswith(f"{model} (")]


def headline(rows: Sequence[Measure]) -> str:
    """Return the first figure of the first data set as words; "" without rows."""
    if not rows:
        return ""
    row = rows[0]
    return f"{row.metric} {row.value:.3g}, {row.dataset}"
