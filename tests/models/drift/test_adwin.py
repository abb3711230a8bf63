from __future__ import annotations

import random

import msgspec
import pytest
from river import drift

from models.drift.adwin import Adwin


def series(seed: int, length: int = 6000) -> list[float]:
    """Return values in [0, 1] whose mean and spread change now and then."""
    dice = random.Random(seed)
    values: list[float] = []
    while len(values) < length:
        mean, spread = dice.uniform(0.2, 0.8), dice.choice([0.01, 0.05, 0.2])
        for _ in range(dice.randint(50, 1500)):
            values.append(min(max(dice.gauss(mean, spread), 0.0), 1.0))
    return values[:length]


@pytest.mark.parametrize("seed", range(4))
def test_it_finds_what_river_finds(seed: int) -> None:
    adwin = Adwin()
    river_adwin = drift.ADWIN()._helper  # it goes on after a change; ADWIN itself starts anew
    found = []
    for index, value in enumerate(series(seed)):
        has_changed = adwin.update(value)
        assert has_changed == bool(river_adwin.update(value)), index
        assert adwin.width == river_adwin.get_width()
        assert adwin.total == pytest.approx(river_adwin.get_total())
        assert adwin.variance == pytest.approx(river_adwin.get_variance(), abs=1e-9)
        found += [index] * has_changed
    assert found


def test_a_steady_series_is_kept_whole() -> None:
    dice, adwin = random.Random(1), Adwin()
    assert not any(adwin.update(dice.gauss(0.5, 0.1)) for _ in range(5000))
    assert adwin.width == 5000
    assert sum(len(row) for row in adwin.rows) <= 5 * len(adwin.rows) < 80


def test_it_is_saved_and_loaded() -> None:
    values = series(7)
    whole, cut = Adwin(), Adwin()
    for value in values[:3000]:
        cut.update(value)
        whole.update(value)
    cut = msgspec.json.decode(msgspec.json.encode(cut), type=Adwin)
    assert [cut.update(v) for v in values[3000:]] == [whole.update(v) for v in values[3000:]]
    assert cut == whole
