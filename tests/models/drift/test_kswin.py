from __future__ import annotations

import random

from models.drift.kswin import Kswin


def test_a_change_of_the_shape_alone_is_noticed_soon() -> None:
    dice, kswin = random.Random(3), Kswin()
    assert not any(kswin.update(dice.gauss(0, 1)) for _ in range(3000))
    found = [i for i in range(200) if kswin.update(dice.choice([-5, 5]))]
    assert found
    assert found[0] <= 70
    assert len(kswin.window) <= 100
