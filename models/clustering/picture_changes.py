"""What happened between two pictures: births, splits, merges, changes and deaths."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from models.clustering.picture import Picture, Whole, distance
from schemas import GlobalCluster, Member

Floats = NDArray[np.float64]


def changes(
    published: dict[int, Whole], picture: Picture, min_drift: float, min_growth: float
) -> list[GlobalCluster]:
    """Return a record of each cluster that changed since its record before, ordered by id.

    Args:
        published: the clusters as in their latest records.
        picture: the present one.
        min_drift: scaled distance that a center moves before it is worth a record.
        min_growth: factor by which a weight changes before it is worth a record, > 1.
    """
    unit = picture.unit if picture.parts else np.ones(len(picture.features))
    heirs = {
        parent: i for i, whole in sorted(picture.wholes.items(), reverse=True)
        for parent in whole.parents
    }  # fmt: skip
    records = [
        _record(i, whole, picture, "died", into_id=heirs.get(i, -1))
        for i, whole in published.items()
        if i not in picture.wholes
    ]
    for i, whole in picture.wholes.items():
        before = published.get(i)
        absorbed = [p for p in whole.parents if p != i and p not in picture.wholes]
        if before is None:
            status = "split" if whole.parents else "born"
            records.append(_record(i, whole, picture, status, from_ids=list(whole.parents[:1])))
            continue
        drift = distance(_of_width(before.center, unit), whole.center, unit)
        if absorbed and set(absorbed) & set(published):
            records.append(_record(i, whole, picture, "merged", drift, from_ids=absorbed))
        elif drift >= min_drift or before.members != whole.members or _grew(
            before.weight, whole.weight, min_growth
        ):  # fmt: skip
            records.append(_record(i, whole, picture, "changed", drift))
    return sorted(records, key=lambda record: record.global_id)


def _of_width(center: Floats, unit: Floats) -> Floats:
    return np.append(center, np.full(len(unit) - len(center), np.nan))


def _grew(before: float, now: float, factor: float) -> bool:
    least, most = sorted((before, now))
    return most > least * factor and not math.isclose(most, least)


def _record(
    global_id: int,
    whole: Whole,
    picture: Picture,
    status: str,
    drift: float = 0.0,
    from_ids: list[int] | None = None,
    into_id: int = -1,
) -> GlobalCluster:
    center = picture.plain(whole.center).tolist()
    pairs = zip(picture.features, center, strict=False)
    return GlobalCluster(
        global_id=global_id,
        status=status,  # type: ignore[arg-type]  # one of the words of its type
        weight=0.0 if status == "died" else whole.weight,
        center={name: value for name, value in pairs if not math.isnan(value)},
        radius=whole.radius,
        drift=drift,
        members=[] if status == "died" else [Member(*member) for member in sorted(whole.members)],
        from_ids=from_ids or [],
        into_id=into_id,
    )
