"""Makes one picture of the clusters of all partitions, with the report of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.clustering.density_groups import connected, squared_distances
from models.clustering.picture import Part, Picture, Whole, distance
from models.clustering.stable_ids import inherit_ids
from models.clustering.weighted_kmeans import spread_seeds, weighted_kmeans
from models.feature_rows import feature_rows
from schemas import ClusterReport

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Rounds of k-means after a report.
_ROUNDS = 10


def with_report(
    picture: Picture,
    report: ClusterReport,
    reach: float,
    max_features: int,
    max_silence: int,
    k: int = 0,
) -> Picture:
    """Return the picture with what the report says in place of its partition's last.

    Args:
        picture: the one so far.
        report: of a partition.
        reach: scaled distance up to which micro-clusters are of one cluster.
        max_features: the most features; later ones are ignored.
        max_silence: reports of others after which a partition is forgotten.
        k: number of clusters; 0: as many as `reach` gives.
    """
    brought = sorted({name for cluster in report.clusters for name in cluster.center})
    new = [name for name in brought if name not in set(picture.features)]
    features = [*picture.features, *new][:max_features]
    more = len(features) - len(picture.features)
    widened = replace(
        picture,
        features=features,
        is_log=report.is_log,
        reach=reach,
        k=k,
        num_reports=picture.num_reports + 1,
        parts={key: _widened(part, more) for key, part in picture.parts.items()},
        wholes={
            i: replace(whole, center=np.append(whole.center, np.full(more, np.nan)))
            for i, whole in picture.wholes.items()
        },
    )
    key = report.agent, report.partition
    part = _part(widened, report, picture.parts.get(key))
    parts = {**widened.parts, key: part}
    parts = {
        key: part for key, part in parts.items() if widened.num_reports - part.number <= max_silence
    }
    return _regrouped(replace(widened, parts=dict(sorted(parts.items()))))


def _widened(part: Part, more: int) -> Part:
    if not more:
        return part
    return replace(
        part,
        centers=np.pad(part.centers, ((0, 0), (0, more)), constant_values=np.nan),
        bounds=np.pad(part.bounds, ((0, 0), (0, more)), constant_values=np.nan),
    )


def _part(picture: Picture, report: ClusterReport, before: Part | None) -> Part:
    clusters, names = report.clusters, picture.features
    ids = np.array([cluster.cluster_id for cluster in clusters], np.int64)
    groups = np.array([c.group if c.group >= 0 else c.cluster_id for c in clusters], np.int64)
    known: dict[int, int] = {}
    if before is not None:
        known = dict(zip(before.ids.tolist(), before.global_ids.tolist(), strict=True))
    return Part(
        agent=report.agent,
        partition=report.partition,
        sequence=report.sequence,
        number=picture.num_reports,
        ids=ids,
        groups=groups,
        weights=np.array([cluster.weight for cluster in clusters], np.float64),
        radii=np.array([cluster.radius for cluster in clusters], np.float64),
        centers=picture.even(feature_rows([cluster.center for cluster in clusters], names)),
        bounds=picture.even(feature_rows([report.low, report.high], names)),
        global_ids=np.array([known.get(i, -1) for i in ids.tolist()], np.int64),
    )


def _regrouped(picture: Picture) -> Picture:
    """Group the micro-clusters of all partitions, and let the groups inherit their ids."""
    parts = list(picture.parts.values())
    if not parts or not sum(len(part.ids) for part in parts):
        return replace(picture, wholes={})
    unit, weights = picture.unit, picture.weights
    scaled = _filled(picture.centers, weights) / unit
    groups = _by_kmeans(picture, scaled) if picture.k else _by_reach(picture, scaled)
    earlier = np.concatenate([part.global_ids for part in parts])
    inherited = inherit_ids(groups, weights, earlier, picture.next_id)
    wholes = _wholes(parts, groups, weights, scaled, unit)
    ids = _matched_by_place(picture, inherited.ids, inherited.parents, wholes, unit)
    ids, next_id = _consecutive(ids, picture.next_id)
    global_ids = np.split(
        np.array(ids, np.int64)[groups], np.cumsum([len(part.ids) for part in parts])[:-1]
    )
    return replace(
        picture,
        next_id=next_id,
        wholes={
            i: replace(whole, parents=tuple(parents))
            for i, whole, parents in zip(ids, wholes, inherited.parents, strict=True)
        },
        parts={
            (part.agent, part.partition): replace(part, global_ids=own)
            for part, own in zip(parts, global_ids, strict=True)
        },
    )


def _filled(centers: Floats, weights: Floats) -> Floats:
    """Put the weighted mean of a feature (P, F) where it was not reported."""
    missing = np.isnan(centers)
    if not missing.any():
        return centers
    known = np.where(missing, 0.0, weights[:, None])
    total = np.maximum(known.sum(axis=0), 1e-300)
    mean = (np.nan_to_num(centers) * known).sum(axis=0) / total
    return np.where(missing, mean, centers)


def _clusters_of_parts(parts: Iterable[Part]) -> Ints:
    """Return the number (P,), from 0, of the partition's cluster that each belongs to."""
    numbers: dict[tuple[str, int, int], int] = {}
    names = [(p.agent, p.partition, group) for p in parts for group in p.groups.tolist()]
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int64)


def _by_reach(picture: Picture, scaled: Floats) -> Ints:
    """Return the group (P,) of each micro-cluster: those within reach of each other.

    Those of one cluster in their partition stay together: so that has just one global id.
    """
    clusters = _clusters_of_parts(picture.parts.values())
    links = squared_distances(scaled, scaled) <= picture.reach**2
    links |= clusters == clusters[:, None]
    return connected(links)


def _by_kmeans(picture: Picture, scaled: Floats) -> Ints:
    """Return the group (P,) of each micro-cluster: k-means over the partitions' clusters.

    It starts at the present clusters of the picture, so that they last.
    """
    clusters, weights = _clusters_of_parts(picture.parts.values()), picture.weights
    mass = np.bincount(clusters, weights).astype(np.float64)
    shares = weights / np.maximum(mass, 1e-300)[clusters]
    centers = np.zeros((len(mass), scaled.shape[1]))
    np.add.at(centers, clusters, scaled * shares[:, None])
    wholes = [whole.center / picture.unit for _, whole in sorted(picture.wholes.items())]
    known = np.nan_to_num(np.array(wholes).reshape(len(wholes), scaled.shape[1]))
    start = spread_seeds(centers, mass, known[: picture.k], picture.k)
    return weighted_kmeans(centers, mass, start, _ROUNDS)[1][clusters]


def _wholes(
    parts: Sequence[Part], groups: Ints, weights: Floats, scaled: Floats, unit: Floats
) -> list[Whole]:
    radii = np.concatenate([part.radii for part in parts])
    even = np.concatenate([part.centers for part in parts])
    even = _filled(even, weights)
    names = [
        (part.agent, part.partition, group) for part in parts for group in part.groups.tolist()
    ]
    wholes = []
    for group in range(int(groups.max()) + 1):
        at = np.flatnonzero(groups == group)
        weight = float(weights[at].sum())
        shares = weights[at] / weight if weight > 0 else np.full(len(at), 1.0 / len(at))
        center = (even[at] * shares[:, None]).sum(axis=0)
        away = ((scaled[at] - center / unit) ** 2).sum(axis=1) + radii[at] ** 2
        members = frozenset(names[i] for i in at.tolist())
        wholes.append(Whole(weight, center, float(np.sqrt((away * shares).sum())), members))
    return wholes


def _matched_by_place(
    picture: Picture,
    ids: list[int],
    parents: list[list[int]],
    wholes: Sequence[Whole],
    unit: Floats,
) -> list[int]:
    """Give a group without a known member the id of one that is gone from just there."""
    gone = sorted(set(picture.wholes) - set(ids) - {i for of_group in parents for i in of_group})
    matched = list(ids)
    for group, whole in enumerate(wholes):
        if parents[group] or not gone:
            continue
        away = [distance(picture.wholes[i].center, whole.center, unit) for i in gone]
        best = int(np.argmin(away))
        if away[best] <= picture.reach:
            matched[group] = gone.pop(best)
    return matched


def _consecutive(ids: list[int], next_id: int) -> tuple[list[int], int]:
    """Number the new ids without gaps."""
    new = {old: next_id + n for n, old in enumerate(sorted(i for i in ids if i >= next_id))}
    return [new.get(i, i) for i in ids], next_id + len(new)
