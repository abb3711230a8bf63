"""Read labeled behavior streams for evaluation: KDD Cup 1999 and online shoppers."""

from __future__ import annotations

import csv
import gzip
import math
from itertools import islice
from pathlib import Path

from schemas import BehaviorEvent

#: Columns of KDD99 that are not numbers: protocol, service, flag.
_KDD_TEXT = (1, 2, 3)
#: Durations, bytes and unbounded counts of KDD99 span six orders of magnitude: log(1 + x) is used.
_KDD_LOG = frozenset({0, 4, 5, 9, 12, 15})
_KDD_CLASS = 41
_SHOPPERS = {
    "Administrative": False,
    "Administrative_Duration": True,
    "Informational": False,
    "Informational_Duration": True,
    "ProductRelated": True,
    "ProductRelated_Duration": True,
    "BounceRates": False,
    "ExitRates": False,
    "PageValues": True,
    "SpecialDay": False,
}


def load_kdd99(
    path: Path, max_rows: int, every: int = 1, start: int = 0, log: bool = True
) -> tuple[list[BehaviorEvent], list[str]]:
    """Read connections with their 38 numeric features, and their classes.

    Args:
        path: the file.
        max_rows: the most rows to return.
        every: one of so many rows is returned.
        start: row of the file to begin at.
        log: whether durations, bytes and unbounded counts are returned as log(1 + x).
    """
    numeric = [column for column in range(_KDD_CLASS) if column not in _KDD_TEXT]
    events, classes = [], []
    with gzip.open(path, "rt", newline="") as file:
        rows = islice(csv.reader(file), start, start + max_rows * every, every)
        for row in rows:
            features = {f"c{i:02d}": _number(row[i], log and i in _KDD_LOG) for i in numeric}
            events.append(BehaviorEvent(source_id="net", action="connect", features=features))
            classes.append(row[_KDD_CLASS].rstrip("."))
    return events, classes


def load_shoppers(path: Path) -> tuple[list[BehaviorEvent], list[str]]:
    """Read web sessions with their 10 numeric features, and whether they ended in a purchase."""
    with gzip.open(path, "rt", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    events = [
        BehaviorEvent(
            source_id=f"session-{number}",
            action="visit",
            features={name: _number(row[name], is_log) for name, is_log in _SHOPPERS.items()},
        )
        for number, row in enumerate(rows)
    ]
    return events, [row["Revenue"] for row in rows]


def _number(text: str, is_log: bool) -> float:
    return math.log1p(float(text)) if is_log else float(text)
