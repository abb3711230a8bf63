"""A picture survives its snapshot to the last bit."""

from __future__ import annotations

import numpy as np
import pytest

from models.base import ModelError
from models.clustering.picture import Part, Picture, Whole
from models.clustering.picture_state import picture_of, state_of
from models.snapshots import pack, unpack

PART = Part(
    agent="a",
    partition=3,
    sequence=7,
    number=2,
    ids=np.array([4, 9]),
    groups=np.array([0, 1]),
    weights=np.array([1.5, 2.5]),
    radii=np.array([0.1, 0.2]),
    centers=np.array([[1.0, np.nan], [2.0, 3.0]]),
    bounds=np.array([[0.0, np.nan], [9.0, np.nan]]),
    global_ids=np.array([0, 0]),
)
WHOLE = Whole(4.0, np.array([1.5, 3.0]), 0.3, frozenset({("a", 3, 0), ("a", 3, 1)}))
GONE = Whole(1.0, np.array([7.0]), 0.0, frozenset({("b", 1, 2)}))
PICTURE = Picture(["x", "y"], True, 0.5, 0, {("a", 3): PART}, {0: WHOLE}, 4, 6)


def saved(picture: Picture, published: dict[int, Whole]) -> bytes:
    names, arrays = state_of(picture, published)
    return pack("p", 1, {}, names, arrays)


def test_a_round_trip() -> None:
    state = saved(PICTURE, {0: WHOLE, 2: GONE})
    picture, published = picture_of(unpack(state, "p", 1, {}))
    assert saved(picture, published) == state
    assert picture.features == ["x", "y"]
    assert picture.parts["a", 3].centers[1].tolist() == [2.0, 3.0]
    assert np.isnan(picture.parts["a", 3].centers[0, 1])
    assert picture.wholes[0].members == WHOLE.members
    assert published[2].members == GONE.members
    assert published[2].center[0] == 7.0


def test_an_empty_picture() -> None:
    state = saved(Picture(), {})
    assert saved(*picture_of(unpack(state, "p", 1, {}))) == state


def test_counts_that_do_not_fit_are_refused() -> None:
    names, arrays = state_of(PICTURE, {0: WHOLE})
    arrays["heads"] = np.array([[9, 3, 7, 2, 2]])
    state = pack("p", 1, {}, names, arrays)
    with pytest.raises(ModelError, match="damaged"):
        picture_of(unpack(state, "p", 1, {}))
