"""The members of an ensemble: names, joint and single calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.anomaly.members import learn_all, make_members, member_id, surprises
from schemas import SensorReading


def readings(source: str, count: int, last: float) -> list[SensorReading]:
    values = [*np.random.default_rng(1).normal(0, 1, count - 1).tolist(), last]
    return [SensorReading(source_id=source, values={"v": value}) for value in values]


def test_members_of_one_name_are_told_apart_by_their_place() -> None:
    members = make_members(["robust_zscore", "seasonal_likelihood", "robust_zscore"], 4, "e")
    names = [member_id(members, number) for number in range(3)]
    assert names == ["robust_zscore_1", "seasonal_likelihood", "robust_zscore_2"]
    assert [member.learn_every for member in members] == [4, 4, 4]


def test_joint_calls_say_what_single_calls_say() -> None:
    """robust_zscore answers for several instances at once, isolation_forest does not."""
    small = {"name": "isolation_forest", "options": {"trees": 5, "min_values": 32, "delay": 8}}
    wanted: list[str | Mapping[str, Any]] = ["robust_zscore", small]
    first, second = make_members(wanted, 8, "e"), make_members(wanted, 8, "e")
    second[0].join(first[0])  # type: ignore[attr-defined]
    batches = [readings("a", 100, 50.0), readings("b", 100, 0.0)]
    learn_all([first, second], [batch[:99] for batch in batches])
    together = surprises([first, second], [batch[99:] for batch in batches])
    alone = [surprises([m], [b[99:]]) for m, b in zip((first, second), batches, strict=True)]
    np.testing.assert_array_equal(
        together.surprise, np.concatenate([one.surprise for one in alone], axis=1)
    )
    assert together.named[0].channel == "v"
    assert together.surprise[0, 0] > 3 > together.surprise[0, 1] >= 0
