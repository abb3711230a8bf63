"""If a device runs out of memory, batches shrink to the size that fits and stay that small."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DeadLetter, InputError
from schemas.errors import OutOfMemoryError
from streams.out_of_memory import BatchSizeLimit, is_out_of_memory
from streams.predicting import predict_each, predict_prepared, prepare
from streams.settings import AgentSettings, BatchSettings
from tests.fakes import Doubling, Number
from tests.streams.engines import answers, engine


class RecordedMetrics:
    """Records the calls of a `BatchSizeLimit`."""

    def __init__(self) -> None:
        self.failures = 0
        self.limits: list[int] = []
        self.freed = 0

    def out_of_memory(self) -> None:
        self.failures += 1

    def batch_size_limit(self, size: int) -> None:
        self.limits.append(size)

    def free(self) -> None:
        self.freed += 1


def limit_of(size: int) -> tuple[BatchSizeLimit, RecordedMetrics]:
    metrics = RecordedMetrics()
    return BatchSizeLimit("agent", size, metrics, metrics.free), metrics


class Device:
    """Has memory for `room`; an event needs as much as its number."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.calls: list[int] = []

    def predict(self, batch: Sequence[int]) -> list[int]:
        self.calls.append(len(batch))
        if sum(batch) > self.room:
            raise MemoryError(f"{sum(batch)} does not fit")
        return list(batch)


def cuda_error() -> Exception:
    torch = pytest.importorskip("torch")
    error: Exception = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    return error


def raised(work: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # the test is about its type
        work()
    assert isinstance(caught.value, Exception)
    return caught.value


def torch_on_the_host() -> None:
    import torch

    torch.empty(2**50)


def onnx_runtime() -> None:
    import onnxruntime
    from onnx import helper

    graph = helper.make_graph(
        [helper.make_node("ConstantOfShape", ["shape"], ["zeros"])], "huge",
        [helper.make_tensor_value_info("shape", 7, [1])],
        [helper.make_tensor_value_info("zeros", 1, ["n"])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    session.run(None, {"shape": np.array([2**45], np.int64)})


@pytest.mark.parametrize("work", [torch_on_the_host, onnx_runtime, lambda: np.empty(2**50)])
def test_real_allocation_failures_are_recognized(work: Callable[[], object]) -> None:
    assert is_out_of_memory(raised(work))


def test_cuda_failures_are_recognized_by_their_messages() -> None:
    assert is_out_of_memory(cuda_error())
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("[ONNXRuntimeError] : 1 : FAIL : CUDA failure 2: out of memory ; GPU=0"))  # noqa: E501  # fmt: skip
    assert is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"))


def test_an_error_of_a_child_process_is_recognized_by_its_name() -> None:
    assert is_out_of_memory(type("_ArrayMemoryError", (RuntimeError,), {})("Unable to allocate"))


def test_an_error_caused_by_lack_of_memory_counts_too() -> None:
    def wrapped() -> None:
        try:
            raise cuda_error()
        except RuntimeError as error:
            raise ValueError("the model failed") from error

    assert is_out_of_memory(raised(wrapped))


def test_other_failures_do_not_count() -> None:
    assert not is_out_of_memory(ValueError("memory of the model is fine"))
    assert not is_out_of_memory(RuntimeError("CUDA error: device-side assert triggered"))
    assert not is_out_of_memory(InputError("the text 'out of memory' is not a question"))


def test_a_batch_that_does_not_fit_is_halved_and_the_limit_falls() -> None:
    device, (limit, metrics) = Device(10), limit_of(32)
    assert predict_each(device.predict, [1] * 32, limit=limit) == [1] * 32
    # 32 and 16 fail, 8 fits; the rest is sent in eights at once.
    assert device.calls == [32, 16, 8, 8, 8, 8]
    assert metrics.limits == [32, 8]
    assert metrics.failures == metrics.freed == 2
    device.calls.clear()
    assert predict_each(device.predict, [1] * 20, limit=limit) == [1] * 20
    assert max(device.calls) <= 8
    assert metrics.failures == 2
    assert limit.size == 8


def test_an_event_that_is_too_large_alone_does_not_lower_the_limit() -> None:
    device, (limit, metrics) = Device(10), limit_of(8)
    answered = predict_each(device.predict, [1, 1, 1, 99, 1, 1], limit=limit)
    assert [answer for answer in answered if answer != 1] == [answered[3]]
    assert isinstance(answered[3], OutOfMemoryError)
    assert answered[3].reason == "out_of_memory"
    assert answered[3].attempts == 3  # of six, of three, alone
    assert "MemoryError: 99 does not fit" in str(answered[3])
    assert metrics.limits == [8]


def test_a_single_event_is_tried_again_after_memory_was_freed() -> None:
    device, metrics = Device(0), RecordedMetrics()

    def free() -> None:
        device.room = 5

    limit = BatchSizeLimit("agent", 4, metrics, free)
    assert predict_each(device.predict, [3], limit=limit) == [3]
    assert device.calls == [1, 1]
    device.room = -1
    [failed] = predict_each(device.predict, [9], limit=limit)
    assert isinstance(failed, OutOfMemoryError)
    assert failed.attempts == 2


@given(
    st.lists(st.one_of(st.just(1), st.integers(1, 40)), min_size=1, max_size=60),
    st.integers(1, 30),
)
def test_every_event_that_fits_alone_is_answered(events: list[int], room: int) -> None:
    device, (limit, metrics) = Device(room), limit_of(60)
    answered = predict_each(device.predict, events, limit=limit)
    for event, answer in zip(events, answered, strict=True):
        assert answer == event if event <= room else isinstance(answer, OutOfMemoryError)
    assert limit.size >= 1
    assert metrics.limits == sorted(metrics.limits, reverse=True)
    assert metrics.freed == metrics.failures


class Held:
    """Stands for device memory."""


class Holding:
    """Allocates device memory in `prepare_batch`, and can't predict three events at once."""

    name, version = "holding", "1"

    def __init__(self) -> None:
        self.held: list[weakref.ref[Held]] = []
        self.alive: list[int] = []

    def load(self, device: str = "cpu") -> None: ...
    def warm_up(self) -> None: ...
    def close(self) -> None: ...

    def prepare_batch(self, batch: Sequence[int]) -> Any:
        held = Held()
        self.held.append(weakref.ref(held))
        return held, list(batch)

    def predict_prepared(self, prepared: Any) -> list[int]:
        _held, batch = prepared
        self.alive.append(sum(ref() is not None for ref in self.held))
        scratch = Held()
        self.held.append(weakref.ref(scratch))
        if len(batch) > 2:
            raise MemoryError("too many")
        return list(batch)

    def predict_batch(self, batch: Sequence[int]) -> list[int]:
        return self.predict_prepared(self.prepare_batch(batch))


def test_memory_of_a_failed_call_is_freed_before_the_next_call() -> None:
    model, (limit, _) = Holding(), limit_of(4)
    gc.disable()  # memory must be freed without the garbage collector
    try:
        prepared = prepare(model, [1, 2, 3, 4])
        assert predict_prepared(model, prepared, [1, 2, 3, 4], limit) == [1, 2, 3, 4]
    finally:
        gc.enable()
    # Each call finds only the memory that was prepared for it.
    assert model.alive == [1, 1, 1]
    assert limit.size == 2


def test_a_batch_prepared_before_the_limit_fell_is_halved_first() -> None:
    model, (limit, metrics) = Holding(), limit_of(4)
    prepared = prepare(model, [1, 2, 3])
    limit.lower_to(2)
    assert predict_prepared(model, prepared, [1, 2, 3], limit) == [1, 2, 3]
    assert metrics.failures == 0


class Narrow(Doubling):
    """Has memory for three events, and never for the event 99."""

    def predict_batch(self, batch: Sequence[Number]) -> list[dict[str, float]]:
        answered = super().predict_batch(batch)
        if len(batch) > 3 or any(event.x == 99 for event in batch):
            raise cuda_error()
        return answered


async def test_the_engine_lowers_the_batch_size_and_keeps_it() -> None:
    models: list[Narrow] = []

    def factory() -> Narrow:
        models.append(Narrow())
        return models[-1]

    settings = AgentSettings(
        input="numbers", output="doubles", model="narrow",
        batch=BatchSettings(max_batch_size=8, max_wait_seconds=0.01),
    )  # fmt: skip
    async with engine(factory, settings=settings) as e:
        assert e.count("penstock_batch_size_limit") == 8
        await e.inference.submit([e.batch([1] * 24)])
        await e.drained()
        assert e.count("penstock_batch_size_limit") == 2
        failures = e.count("penstock_out_of_memory_total")
        assert failures == 2
        models[0].batch_sizes.clear()
        await e.inference.submit([e.batch([2] * 16, first_offset=24)])
        await e.drained()
        assert max(models[0].batch_sizes) <= 2
        assert e.count("penstock_out_of_memory_total") == failures
        await e.inference.submit([e.batch([3, 99, 3, 3], first_offset=40)])
        await e.drained()
        assert [offset for offset, _ in answers(e.sink.topic("doubles"))] == [
            n for n in range(44) if n != 41
        ]
        (letter,) = (DeadLetter.from_headers(r.headers) for r in e.sink.topic("numbers.dlq"))
        assert (letter.reason, letter.exception) == ("out_of_memory", "OutOfMemoryError")
        assert letter.attempts == 2
        assert e.accounts() == {
            "in": 44, "answered": 43, "dead_lettered": 1, "filtered": 0, "in_flight": 0,
        }  # fmt: skip
        assert e.count("penstock_batch_size_limit") == 2
