"""DenStream, compared with the paper's algorithm written down event by event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from models.base import ModelError
from models.clustering.denstream import DenStream
from models.registry import make_model
from tests.models.clustering.streams import Floats, assignments, blobs, events_of, learn


@dataclass
class Micro:
    """A micro-cluster as the paper has it: CF1, CF2 and weight."""

    weight: float
    cf1: Floats
    cf2: Floats
    created: int
    is_potential: bool = False

    def radius(self, point: Floats | None = None) -> float:
        extra = 0.0 if point is None else 1.0
        point = np.zeros_like(self.cf1) if point is None else point
        weight = self.weight + extra
        mean = (self.cf1 + point) / weight
        spread = (self.cf2 + point**2) / weight - mean**2
        return float(np.sqrt(max(spread.sum(), 0.0)))

    def add(self, point: Floats) -> None:
        self.weight += 1.0
        self.cf1 = self.cf1 + point
        self.cf2 = self.cf2 + point**2


def denstream_of_the_paper(
    points: Floats, radius: float, min_weight: float, share: float, half_life: float
) -> list[Micro]:
    """Algorithm 1 (merging) and 2 of Cao et al., one event after another."""
    least, micro = min_weight * share, list[Micro]()
    prune_every = int(np.ceil(half_life * np.log2(least / (least - 1.0))))
    for now, point in enumerate(points):
        for one in micro:
            one.weight *= 0.5 ** (1 / half_life)
            one.cf1 = one.cf1 * 0.5 ** (1 / half_life)
            one.cf2 = one.cf2 * 0.5 ** (1 / half_life)
        for wanted in (True, False):
            near = [one for one in micro if one.is_potential == wanted]
            if not near:
                continue
            nearest = min(near, key=lambda m: float(((m.cf1 / m.weight - point) ** 2).sum()))
            if nearest.radius(point) <= radius:
                nearest.add(point)
                nearest.is_potential |= nearest.weight > least
                break
        else:
            micro.append(Micro(1.0, point, point**2, now, least < 1.0))
        if (now + 1) % prune_every == 0:
            micro = [m for m in micro if _stays(m, now + 1, least, prune_every, half_life)]
    return micro


def _stays(micro: Micro, now: int, least: float, span: int, half_life: float) -> bool:
    if micro.is_potential:
        return micro.weight >= least
    grown = 2.0 ** (-(now - micro.created + span) / half_life) - 1.0
    return bool(micro.weight >= grown / (2.0 ** (-span / half_life) - 1.0))


def test_in_steps_of_one_event_it_is_the_algorithm_of_the_paper() -> None:
    rng = np.random.default_rng(5)
    points = np.concatenate([blobs(600), rng.uniform(0, 1, (200, 2))])
    rng.shuffle(points)
    model = DenStream(
        0.08, 6.0, 0.5, half_life_events=400.0, scale="none", log=False, learn_every=1
    )
    learn(model, events_of(points))
    expected = denstream_of_the_paper(points, 0.08, 6.0, 0.5, 400.0)
    micro = model._micro
    assert len(micro) == len(expected) > 10
    assert micro.is_settled.tolist() == [one.is_potential for one in expected]
    assert micro.weights == pytest.approx(np.array([one.weight for one in expected]))
    means = np.array([one.cf1 / one.weight for one in expected])
    assert micro.means == pytest.approx(means, rel=1e-6)


@pytest.mark.parametrize("learn_every", [1, 16, 256])
def test_no_radius_is_above_the_limit(learn_every: int) -> None:
    model = DenStream(0.05, scale="none", log=False, learn_every=learn_every)
    learn(model, events_of(np.random.default_rng(2).uniform(0, 1, (1024, 2))))
    variances = model._micro.variances(np.ones(2), np.arange(len(model._micro)))
    assert np.sqrt(variances).max() <= 0.05 * (1 + 1e-9)


def test_larger_steps_find_the_same_clusters() -> None:
    found = []
    for learn_every in (1, 256):
        model = DenStream(0.1, scale="none", log=False, learn_every=learn_every)
        learn(model, events_of(blobs(1024)))
        found.append([a.cluster_id for a in assignments(model, events_of(blobs(99, seed=3)))])
    pairs = set(zip(*found, strict=True))
    assert len(pairs) == 3


def test_noise_makes_no_cluster() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([blobs(900), rng.uniform(-5, 5, (60, 2))])
    rng.shuffle(points)
    model = DenStream(0.1, scale="none", log=False)
    learn(model, events_of(points))
    assert len(set(model._micro.groups[model._micro.is_settled].tolist())) == 3


def test_a_shape_that_is_no_ball_is_one_cluster() -> None:
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 4000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    rows = np.concatenate([ring, np.random.default_rng(1).normal(0, 0.05, (4000, 2))])
    np.random.default_rng(2).shuffle(rows)
    model = DenStream(0.1, link=4.0, scale="none", log=False)
    learn(model, events_of(rows))
    on_ring = {a.cluster_id for a in assignments(model, events_of(ring[:500]))}
    inside = {a.cluster_id for a in assignments(model, events_of(np.zeros((1, 2))))}
    assert len(on_ring) == len(inside) == 1
    assert on_ring != inside


def test_a_cluster_that_gets_no_events_fades_away() -> None:
    model = DenStream(0.1, half_life_events=200.0, scale="none", log=False)
    learn(model, events_of(blobs(600)))
    learn(model, events_of(np.full((4000, 2), 0.1)))
    assert len(set(model._micro.groups.tolist()) - {-1}) == 1


def test_a_weight_that_makes_every_event_a_cluster_is_refused() -> None:
    with pytest.raises(ModelError, match="it must be above 1"):
        make_model(DenStream, {"min_weight": 3.0, "potential_share": 0.3})
