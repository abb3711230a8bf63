"""CluStream: boundaries, relevance stamps, merging of the closest, k clusters."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import ModelError
from models.clustering.clustream import CluStream
from models.registry import make_model
from tests.models.clustering.streams import BLOBS, blobs, events_of, kinds_of, learn


def model_of(**options: float) -> CluStream:
    plain = {"scale": "none", "log": False, "k": 3, **options}
    model = make_model(CluStream, plain)
    assert isinstance(model, CluStream)
    return model


def test_the_first_events_that_differ_begin_micro_clusters() -> None:
    model = model_of(max_micro_clusters=10)
    model.learn_batch(events_of(np.repeat(np.arange(14.0).reshape(7, 2), 3, axis=0)))
    assert model._micro.weights.tolist() == [3.0] * 7


def test_there_are_never_more_than_the_limit() -> None:
    model = learn(model_of(max_micro_clusters=10), events_of(blobs(1500)))
    assert len(model._micro) == 10
    # The weight of every event is still there: merged, not dropped.
    decayed = sum(0.5 ** (step * 128 / 5000) * 128 for step in range(11))
    assert model._micro.weights.sum() == pytest.approx(decayed, rel=0.1)


def test_an_event_beyond_the_boundary_begins_a_micro_cluster() -> None:
    model = learn(model_of(max_micro_clusters=10, boundary=2.0), events_of(blobs(1500)))
    before = model._micro.next_id
    model.learn_batch(events_of(np.array([[0.1, 0.95]])))
    assert model._micro.next_id == before + 1
    assert model._micro.means[-1] == pytest.approx([0.1, 0.95])


def test_the_one_with_the_oldest_events_makes_room() -> None:
    model = model_of(max_micro_clusters=3, half_life_events=500.0)
    learn(model, events_of(np.repeat(BLOBS, 20, axis=0)))
    # The first blob gets no event for long; then one far away needs room.
    learn(model, events_of(blobs(2000, centers=BLOBS[1:], spread=0.0)))
    learn(model, events_of(np.array([[5.0, 5.0]])))
    places = model._micro.means
    assert not (np.abs(places - BLOBS[0]).sum(axis=1) < 0.1).any()
    assert len(places) == 3


def test_the_closest_two_are_merged_if_all_are_recent() -> None:
    model = model_of(max_micro_clusters=3, half_life_events=1e6)
    learn(model, events_of(np.array([[0.0, 0.0], [0.1, 0.0], [1.0, 0.0], [9.0, 9.0]])))
    assert sorted(model._micro.weights.tolist()) == [1.0, 1.0, 2.0]
    merged = model._micro.means[model._micro.weights.argmax()]
    assert merged == pytest.approx([0.05, 0.0])


def test_the_stamp_is_the_time_of_the_last_events() -> None:
    model = model_of(max_micro_clusters=3, last_events=10, half_life_events=1e9)
    model.learn_batch(events_of(np.zeros((1000, 2))))
    # Times 0 to 999 have mean 499.5 and deviation 288.7; the quantile at 1 - 10 / 2000 is 2.576.
    assert model._stamps() == pytest.approx([499.5 + 2.5758 * 288.67], rel=1e-3)


def test_k_clusters() -> None:
    model = learn(model_of(k=3), events_of(blobs(1500)))
    assert sorted(set(model._micro.groups.tolist())) == [0, 1, 2]
    assert len(set(kinds_of(model))) == 3


def test_k_is_at_most_the_number_of_micro_clusters() -> None:
    with pytest.raises(ModelError, match="k is 20: expected a number from 1 to 10"):
        model_of(k=20, max_micro_clusters=10)
