"""Workloads b and c: right answers pass, wrong ones are reported."""

from __future__ import annotations

import msgspec
import pytest

from benchmarks.harness.cycled import CycledInput, workload_module
from benchmarks.harness.frames import frames_input
from benchmarks.harness.gpu import offline_rate


@pytest.fixture(scope="module")
def frames() -> CycledInput:
    return frames_input(num_records=300, partitions=4)


def test_a_batch_gets_the_answers_of_its_frames_alone(frames: CycledInput) -> None:
    module = workload_module("frames")
    images = [record.value for record in frames.records()][:8]
    detector = module.Detector("cpu")
    answers = detector.detect(*detector.prepare(images))
    assert sum(map(len, answers)) >= 8
    for index, objects in enumerate(answers):
        assert frames.fault(index, msgspec.json.encode(module.Objects(objects=objects))) == ""


def test_wrong_objects_are_reported(frames: CycledInput) -> None:
    module = workload_module("frames")
    ghost = module.Found(0, 0.9, (1.0, 2.0, 3.0, 4.0))
    for objects in ([], [ghost]):
        value = msgspec.json.encode(module.Objects(objects=objects))
        assert frames.fault(0, value).startswith("the objects are")


def test_the_offline_rate_is_of_the_best_batch_size(frames: CycledInput) -> None:
    size, rate = offline_rate("b", frames, "cpu", seconds=0.05, batch_sizes=(1, 4))
    assert size in (1, 4)
    assert rate > 0
