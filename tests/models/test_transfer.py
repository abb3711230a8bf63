"""Arrays are unchanged after the transfer to a device, the CPU or a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.transfer import CudaTransfer, HostTransfer, Transfer, make_transfer

ON_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")


DEVICES = ["cpu", pytest.param("cuda:0", marks=[pytest.mark.gpu, ON_GPU])]


@pytest.fixture(params=DEVICES)
def transfer(request: pytest.FixtureRequest) -> Transfer:
    return make_transfer(request.param)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_an_uploaded_array_is_unchanged(transfer: Transfer, dtype: type[np.generic]) -> None:
    array = transfer.empty((3, 4), dtype)
    assert array.shape == (3, 4)
    assert array.dtype == np.dtype(dtype)
    array[:] = np.arange(12).reshape(3, 4)
    sent = transfer.upload(array[:2])
    assert sent.shape == (2, 4)
    assert sent.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(sent.tensor().cpu().numpy(), np.arange(8).reshape(2, 4))
    assert sent.address() == sent.tensor().data_ptr()


def test_an_array_in_ordinary_memory_can_be_uploaded(transfer: Transfer) -> None:
    sent = transfer.upload(np.arange(5, dtype=np.int64))
    assert sent.tensor().cpu().tolist() == [0, 1, 2, 3, 4]


def test_the_cpu_copies_nothing() -> None:
    transfer = HostTransfer()
    array = transfer.empty((2, 2), np.float32)
    assert transfer.upload(array).address() == array.ctypes.data


@pytest.mark.gpu
@ON_GPU
def test_many_uploads_at_once_do_not_mix() -> None:
    transfer = CudaTransfer("cuda:0")
    sent = []
    for n in range(64):
        array = transfer.empty((1 << 20,), np.float32)
        array[:] = n
        sent.append(transfer.upload(array))
        del array
    for n, one in enumerate(sent):
        assert one.tensor().eq(n).all().item()
