"""Sources that learn in one step learn exactly what each learns alone."""

from __future__ import annotations

import numpy as np

from models.anomaly.recent import Recent, learn_steps
from schemas import SensorReading


def assert_equal(one: Recent, other: Recent) -> None:
    assert one.channels == other.channels
    assert one.total == other.total
    for name in ("rows", "trend", "box"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name


def test_a_joint_step_is_the_step_of_each() -> None:
    """With steps of any length, absent channels, too many channels, and some with a reference."""
    rng = np.random.default_rng(0)
    joint, alone = ([Recent(40, 4) for _ in range(6)] for _ in range(2))
    for number in range(30):
        active = [i for i in range(6) if rng.random() < 0.7] or [0]
        steps = [
            [
                SensorReading(
                    source_id=str(i),
                    # Sources 0 to 2 have the same channels, the others have their own.
                    values={
                        f"c{max(i - 2, 0)}{j}": float(x)
                        for j, x in enumerate(rng.normal(size=5))
                        if j == 0 or rng.random() < 0.8
                    },
                )
                for _ in range(rng.integers(1, 60))
            ]
            for i in active
        ]
        learn_steps([(joint[i], step) for i, step in zip(active, steps, strict=True)])
        for i, step in zip(active, steps, strict=True):
            learn_steps([(alone[i], step)])
            if number % 7 == i:
                joint[i].make_reference()
                alone[i].make_reference()
        for one, other in zip(joint, alone, strict=True):
            assert_equal(one, other)
    assert any(source.reference_size for source in joint)
