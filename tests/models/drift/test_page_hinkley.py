from __future__ import annotations

import pytest
from river import drift

from models.drift.page_hinkley import PageHinkley
from tests.models.drift.test_adwin import series


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_river_finds(seed: int) -> None:
    test, river_test, found = PageHinkley(), drift.PageHinkley(threshold=30.0, delta=0.25), []
    for index, value in enumerate(series(seed)):
        river_test.update(8 * value)
        has_changed = test.update(8 * value)
        assert has_changed == river_test.drift_detected, index
        found += [index] * has_changed
    assert found
