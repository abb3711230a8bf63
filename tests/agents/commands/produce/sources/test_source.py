import itertools
from collections.abc import Iterator

import pytest

from agents.commands.produce.sources import Source, SourceError, repeat, round_robin, spread
from schemas import SensorReading


def readings(source_id: str, count: int) -> Iterator[SensorReading]:
    return (SensorReading(source_id=source_id, values={"n": float(n)}) for n in range(count))


def test_repeat_starts_again_at_the_end() -> None:
    values = [r.values["n"] for r in itertools.islice(repeat(lambda: readings("a", 2)), 5)]
    assert values == [0, 1, 0, 1, 0]


def test_repeating_an_empty_source_is_an_error() -> None:
    with pytest.raises(SourceError, match="no events"):
        next(repeat(lambda: readings("a", 0)))


def test_round_robin_keeps_each_sources_order_and_all_events() -> None:
    merged = list(round_robin([readings("a", 1), readings("b", 3), readings("c", 0)]))
    assert [(r.source_id, r.values["n"]) for r in merged] == [
        ("a", 0.0),
        ("b", 0.0),
        ("b", 1.0),
        ("b", 2.0),
    ]


def test_spread_distributes_events_in_turn() -> None:
    dealt = [r.source_id for r in spread(readings("", 5), "sensor", 2)]
    assert dealt == ["sensor-1", "sensor-2", "sensor-1", "sensor-2", "sensor-1"]


def test_a_source_says_whether_it_is_real() -> None:
    source = Source("pump", "sensor", "a pump", False, lambda: readings("a", 2))
    assert source.describe() == "pump: rendered, a pump"
    assert len(list(source)) == len(list(source)) == 2
