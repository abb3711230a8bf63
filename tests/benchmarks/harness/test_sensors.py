"""The readings of very many sensors, and the check of their scores."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from benchmarks.harness import BENCHMARKS, sensors
from benchmarks.harness.sensors import MODEL, OPTIONS, Sensors, sensors_in_msgpack
from benchmarks.harness.workloads import WORKLOADS
from models.registry import model_class
from schemas import SensorReading


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Sensors:
    monkeypatch.setattr(sensors, "NUM_SENSORS", 40)
    return Sensors(4000, 4)


def test_the_right_answers_are_right_and_others_are_not(source: Sensors) -> None:
    answers = [msgspec.json.encode(answer) for answer in source._answers]
    assert [source.fault(i, answer) for i, answer in enumerate(answers)] == [""] * 4000
    assert sum(b'"is_anomaly":true' in answer for answer in answers) > 3
    assert "score is" in source.fault(3000, answers[3001])
    assert "is_scored is True" in source.fault(0, answers[3001])


def test_each_sensor_is_in_one_partition(source: Sensors) -> None:
    places: dict[bytes, set[int]] = {}
    for index in range(source.num_records):
        places.setdefault(source.key(index), set()).add(index % 4)
    assert len(places) == 40
    assert all(len(partitions) == 1 for partitions in places.values())


def test_both_forms_have_the_same_readings(source: Sensors) -> None:
    packed = sensors_in_msgpack(4000, 4)
    for one, other in zip(source.records(), packed.records(), strict=True):
        assert msgspec.json.decode(one.value, type=SensorReading) == msgspec.msgpack.decode(
            other.value, type=SensorReading
        )


@pytest.mark.parametrize("name", ["s", "s-msgpack"])
def test_the_worker_has_the_options_of_the_right_answers(name: str) -> None:
    text = (BENCHMARKS / "penstock" / f"{name}.yaml").read_text()
    model = yaml.safe_load(text)["agents"]["score"]["model"]
    assert model == {"name": MODEL, "options": OPTIONS}
    workload = WORKLOADS[name]
    assert (workload.model, workload.model_version) == (MODEL, model_class(MODEL).version)
