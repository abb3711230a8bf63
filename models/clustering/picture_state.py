"""A picture and its published clusters as the arrays of a snapshot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.base import ModelError
from models.clustering.picture import Part, Picture, Whole
from models.snapshots import Snapshot

_FLOATS, _INTS = np.zeros(0), np.zeros(0, np.int64)
_WITH_NAN = np.full(1, np.nan)


def state_of(
    picture: Picture, published: dict[int, Whole]
) -> tuple[dict[str, list[str]], dict[str, NDArray[Any]]]:
    """Return the names and the arrays to save."""
    parts = list(picture.parts.values())
    width = len(picture.features)
    sizes = [len(part.ids) for part in parts]
    agents = sorted({part.agent for part in parts} | _agents(picture.wholes) | _agents(published))
    heads = [
        [agents.index(part.agent), part.partition, part.sequence, part.number, size]
        for part, size in zip(parts, sizes, strict=True)
    ]
    counts = [picture.is_log, picture.next_id, picture.num_reports, len(parts), sum(sizes)]
    arrays: dict[str, NDArray[Any]] = {
        "counts": np.array([*counts, len(picture.wholes), len(published)], np.int64),
        "reach": np.array([picture.reach]),
        "heads": np.array(heads, np.int64).reshape(len(parts), 5),
        "bounds": _joined([part.bounds for part in parts], width),
        "centers": _joined([part.centers for part in parts], width),
        "numbers": _stacked([[p.weights, p.radii] for p in parts], 2, np.float64),
        "ids": _stacked([[p.ids, p.groups, p.global_ids] for p in parts], 3, np.int64),
        **_wholes_arrays("wholes", picture.wholes, agents, width),
        **_wholes_arrays("published", published, agents, width),
    }
    return {"features": picture.features, "agents": agents}, arrays


def picture_of(saved: Snapshot) -> tuple[Picture, dict[int, Whole]]:
    """Return the picture and the published clusters of a snapshot.

    Raises:
        ModelError: it is damaged.
    """
    features, agents = saved.list_of("features"), saved.list_of("agents")
    counts = saved.array("counts", _INTS, 7).tolist()
    is_log, next_id, num_reports, num_parts, num_micro, num_wholes, num_published = counts
    if min(counts) < 0:
        raise ModelError(f"the counts in the snapshot of {saved.kind} do not fit: it is damaged")
    width = len(features)
    heads = saved.array("heads", _INTS, num_parts, 5).tolist()
    sizes = [head[4] for head in heads]
    if sum(sizes) != num_micro or any(not 0 <= head[0] < len(agents) for head in heads):
        raise ModelError(f"the parts in the snapshot of {saved.kind} do not fit: it is damaged")
    cuts = np.cumsum(np.array(sizes, np.int64))[:-1]
    bounds = saved.array("bounds", _WITH_NAN, 2 * num_parts, width)
    centers = np.split(saved.array("centers", _WITH_NAN, num_micro, width), cuts)
    numbers = np.split(saved.array("numbers", _FLOATS, 2, num_micro), cuts, axis=1)
    ids = np.split(saved.array("ids", _INTS, 3, num_micro), cuts, axis=1)
    parts = {}
    for row, (agent, partition, sequence, number, _) in enumerate(heads):
        parts[agents[agent], partition] = Part(
            agent=agents[agent],
            partition=partition,
            sequence=sequence,
            number=number,
            ids=ids[row][0].copy(),
            groups=ids[row][1].copy(),
            weights=numbers[row][0].copy(),
            radii=numbers[row][1].copy(),
            centers=centers[row],
            bounds=bounds[2 * row : 2 * row + 2],
            global_ids=ids[row][2].copy(),
        )
    picture = Picture(
        features=features,
        is_log=bool(is_log),
        reach=float(saved.array("reach", _FLOATS, 1)[0]),
        parts=parts,
        wholes=_saved_wholes(saved, "wholes", agents, width, num_wholes),
        next_id=next_id,
        num_reports=num_reports,
    )
    return picture, _saved_wholes(saved, "published", agents, width, num_published)


def _agents(wholes: dict[int, Whole]) -> set[str]:
    return {agent for whole in wholes.values() for agent, _, _ in whole.members}


def _joined(parts: list[NDArray[np.float64]], width: int) -> NDArray[np.float64]:
    return np.concatenate([np.zeros((0, width)), *parts])


def _stacked(parts: list[list[NDArray[Any]]], rows: int, dtype: type[Any]) -> NDArray[Any]:
    return np.concatenate([np.zeros((rows, 0), dtype), *map(np.stack, parts)], axis=1)


def _wholes_arrays(
    name: str, wholes: dict[int, Whole], agents: list[str], width: int
) -> dict[str, NDArray[Any]]:
    members = [
        [i, agents.index(agent), partition, cluster]
        for i, whole in wholes.items()
        for agent, partition, cluster in sorted(whole.members)
    ]
    centers = [
        np.append(w.center, np.full(width - len(w.center), np.nan))[None] for w in wholes.values()
    ]
    numbers = [[whole.weight, whole.radius] for whole in wholes.values()]
    return {
        f"{name}_ids": np.array(list(wholes), np.int64),
        f"{name}_numbers": np.array(numbers, np.float64).reshape(len(wholes), 2),
        f"{name}_centers": _joined(centers, width),
        f"{name}_num_members": np.array([len(members)], np.int64),
        f"{name}_members": np.array(members, np.int64).reshape(len(members), 4),
    }


def _saved_wholes(
    saved: Snapshot, name: str, agents: list[str], width: int, count: int
) -> dict[int, Whole]:
    ids = saved.array(f"{name}_ids", _INTS, count).tolist()
    numbers = saved.array(f"{name}_numbers", _FLOATS, count, 2).tolist()
    centers = saved.array(f"{name}_centers", _WITH_NAN, count, width)
    (num_members,) = saved.array(f"{name}_num_members", _INTS, 1).tolist()
    members: dict[int, set[tuple[str, int, int]]] = {i: set() for i in ids}
    for i, agent, partition, cluster in saved.array(
        f"{name}_members", _INTS, num_members, 4
    ).tolist():
        if i not in members or not 0 <= agent < len(agents):
            raise ModelError(f"the members in the snapshot of {saved.kind} do not fit: damaged")
        members[i].add((agents[agent], partition, cluster))
    return {
        i: Whole(weight, centers[row], radius, frozenset(members[i]))
        for row, (i, (weight, radius)) in enumerate(zip(ids, numbers, strict=True))
    }
