"""DBSTREAM: leaders of fixed radius, shared density, removal of the weak."""

from __future__ import annotations

import numpy as np
import pytest

from models.clustering.dbstream import DBStream
from models.registry import make_model
from tests.models.clustering.streams import assignments, blobs, event, events_of, learn


def model_of(**options: float) -> DBStream:
    model = make_model(DBStream, {"scale": "none", "log": False, "radius": 0.1, **options})
    assert isinstance(model, DBStream)
    return model


def test_an_event_moves_the_center_by_the_gaussian_of_its_distance() -> None:
    model = model_of(radius=1.0, half_life_events=1e9, learn_every=1)
    learn(model, events_of(np.array([[0.0, 0.0], [0.5, 0.0]])))
    # The paper: c + exp(-3 d^2 / (2 r^2)) (x - c); a step's pull g moves by 1 - exp(-g).
    pull = np.exp(-1.5 * 0.25)
    assert model._micro.means[0] == pytest.approx([0.5 * (1 - np.exp(-pull)), 0.0])
    assert model._micro.weights == pytest.approx([2.0])


def test_an_event_in_two_of_them_is_shared_density() -> None:
    model = model_of(radius=1.0, half_life_events=1e9, learn_every=2)
    learn(model, events_of(np.array([[0.0, 0.0], [1.5, 0.0], [0.75, 0.0], [0.75, 0.1]])))
    assert model._micro.weights == pytest.approx([3.0, 3.0])
    assert model._shared == pytest.approx(np.array([[0, 2], [2, 0]]), abs=1e-6)


def test_centers_never_come_within_the_radius_of_each_other() -> None:
    model = learn(model_of(), events_of(np.random.default_rng(0).uniform(0, 1, (4000, 2))))
    places = model._micro.means
    away = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(len(places))
    assert away.min() > 0.1


def test_near_but_not_connected_are_two_clusters() -> None:
    """Two dense lines with a sparse gap: closer than twice the radius, with no event between."""
    rng = np.random.default_rng(0)
    x, side = rng.uniform(0, 1, 4000), rng.integers(0, 2, 4000) * 0.24
    rows = np.stack([x, side + rng.normal(0, 0.01, 4000)], axis=1)
    model = learn(model_of(), events_of(rows))
    low, high = assignments(model, [event(x=0.5, y=0.0), event(x=0.5, y=0.24)])
    assert -1 not in (low.cluster_id, high.cluster_id)
    assert low.cluster_id != high.cluster_id


def test_the_weak_are_removed_after_a_gap() -> None:
    model = model_of(gap_events=256, half_life_events=256.0)
    learn(model, events_of(np.random.default_rng(0).uniform(5, 9, (50, 2))))
    many = len(model._micro)
    learn(model, events_of(blobs(2560)))
    assert many > 40
    assert len(model._micro) < 15


def test_shared_densities_go_with_their_micro_clusters() -> None:
    model = model_of(max_micro_clusters=10)
    learn(model, events_of(np.random.default_rng(0).uniform(0, 1, (3000, 2))))
    assert model._shared.shape == (len(model._micro), len(model._micro))
    assert (model._shared == model._shared.T).all()
    assert not model._shared.diagonal().any()
