"""Decoding on the device, all of it on the CPU: the answers are those of decoding on the cores."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcodec.decoders import decode_jpeg

from models.cores import Cores
from models.detection import device_decoder
from models.detection.boxes import Floats
from models.detection.device_decoder import DecodeJpegs, DeviceDecoder
from models.detection.fitting import PADDING_GREY
from models.detection.images import ImageLimits
from models.detection.input_format import InputFormat, Slots
from models.detection.networks import Signature, TorchNetwork
from models.transfer import SideStream
from schemas import DecodeError, InputError, TooLargeError
from streams.out_of_memory import is_out_of_memory
from tests.models.detection.pictures import blotches, encode, mixed_pictures, told, turned

LIMITS = ImageLimits()
#: The CPU rounds between its two passes (rows, columns), the device once: by one grey level.
GREY_LEVELS = 1.0
FORMATS = [
    InputFormat(height=96, width=128, keeps_aspect=keeps_aspect, is_bgr=is_bgr, scale=1.0)
    for keeps_aspect in (True, False)
    for is_bgr in (True, False)
]
LETTERBOX = FORMATS[1]
SIZES = [(640, 480), (131, 97), (50, 37), (300, 1), (1, 1), (128, 96), (96, 128), (1921, 1081)]


class _Network(TorchNetwork):
    """Holds what it is sent."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity(), Signature(None, None, None, []), "cpu")


class _Decoding:
    """TorchCodec's decoder, which takes note of how much it is given, and may raise."""

    def __init__(self, error: Exception | None = None, above: int = 0) -> None:
        self.calls: list[int] = []
        self._error, self._above = error, above

    def __call__(self, encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        self.calls.append(len(encoded))
        if self._error is not None and len(self.calls) > 1 and len(encoded) > self._above:
            raise self._error  # but not at the first one, which `__init__` makes
        decoded: list[torch.Tensor] = decode_jpeg(encoded, **options)
        return decoded


def on_device(
    images: Sequence[bytes],
    wanted: InputFormat = LETTERBOX,
    limits: ImageLimits = LIMITS,
    decode_jpegs: DecodeJpegs | None = None,
) -> tuple[Slots, Floats]:
    decoder, network = DeviceDecoder("cpu", wanted, decode_jpegs), _Network()
    slots, uploaded = decoder.bring_all(images, limits, Cores(1), network)
    if uploaded is None:
        return slots, np.empty((0, 3, wanted.height, wanted.width), np.float32)
    pixels: Floats = uploaded.tensor().numpy()
    assert uploaded.dtype == pixels.dtype == np.float32
    assert uploaded.shape == pixels.shape
    return slots, pixels


def on_cores(
    images: Sequence[bytes], wanted: InputFormat = LETTERBOX, limits: ImageLimits = LIMITS
) -> tuple[Slots, Floats]:
    return wanted.bring_all(images, limits, Cores(1), _Network().transfer)


def assert_same(found: tuple[Slots, Floats], expected: tuple[Slots, Floats]) -> None:
    assert told(found[0]) == told(expected[0])
    assert found[1].shape == expected[1].shape
    assert np.abs(found[1] - expected[1]).max(initial=0) <= GREY_LEVELS


@pytest.mark.parametrize("wanted", FORMATS, ids=str)
def test_the_networks_input_is_that_of_the_cores(wanted: InputFormat) -> None:
    images = [encode(blotches(*size, seed)) for seed, size in enumerate(SIZES)]
    images += [encode(blotches(200, 100, mode="L")), encode(blotches(99, 201), progressive=True)]
    images += [encode(blotches(640, 480, 7))]  # a size that was there before, elsewhere
    found, expected = on_device(images, wanted), on_cores(images, wanted)
    assert_same(found, expected)
    # Neither lighter nor darker over all, and equal nearly everywhere.
    assert abs((found[1] - expected[1]).mean()) < 0.02
    assert (found[1] == expected[1]).mean() > 0.8


def test_a_picture_of_the_networks_size_is_the_same_to_the_bit() -> None:
    wanted = InputFormat(96, 128, keeps_aspect=True, is_bgr=True, scale=1 / 255)
    images = [encode(blotches(128, 96))]
    np.testing.assert_array_equal(on_device(images, wanted)[1], on_cores(images, wanted)[1])


def test_grey_levels_are_whole_and_the_padding_is_grey() -> None:
    _, [pixels] = on_device([encode(blotches(640, 240))])
    assert (pixels == pixels.round()).all()
    assert (pixels[:, :24] == PADDING_GREY).all()
    assert (pixels[:, -24:] == PADDING_GREY).all()
    assert (pixels[:, 24:-24] == PADDING_GREY).mean() < 0.1


def test_a_picture_is_not_turned() -> None:
    images = [turned(blotches(300, 200))]
    assert_same(on_device(images), on_cores(images))


def test_good_and_bad_of_all_kinds_stay_in_their_rows() -> None:
    found = on_device(mixed_pictures())
    assert_same(found, on_cores(mixed_pictures()))
    bad = {row: type(slot) for row, slot in enumerate(found[0]) if isinstance(slot, InputError)}
    assert bad == {
        0: DecodeError,
        3: TooLargeError,
        5: DecodeError,
        7: DecodeError,
        10: DecodeError,
    }


@pytest.mark.parametrize("rows", [[0], [2], [2, 4, 8], [0, 5], [1], [1, 6]])
def test_all_of_one_kind_go_as_well(rows: list[int]) -> None:
    images = [mixed_pictures()[row] for row in rows]
    assert_same(on_device(images), on_cores(images))


def test_limits_are_the_cores_limits() -> None:
    images, limits = [encode(blotches(100, 50)), encode(blotches(101, 50))], ImageLimits(5000)
    found = on_device(images, limits=limits)
    assert_same(found, on_cores(images, limits=limits))
    assert isinstance(found[0][1], TooLargeError)


def test_only_what_is_plain_is_given_to_the_devices_decoder() -> None:
    decoding = _Decoding()
    on_device(mixed_pictures(), decode_jpegs=decoding)
    assert decoding.calls == [1, 3]  # the first one as it is made


def test_a_group_that_the_device_refuses_is_decoded_on_the_cores() -> None:
    decoding = _Decoding(RuntimeError("nvjpegDecode failed: 6"))
    assert_same(on_device(mixed_pictures(), decode_jpegs=decoding), on_cores(mixed_pictures()))
    assert decoding.calls == [1, 3]


def test_a_refusal_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    refusing = _Decoding(RuntimeError("nvjpegDecode failed: 6\nat line 7"))
    decoder, images = DeviceDecoder("cpu", LETTERBOX, refusing), [encode(blotches(64, 64))]
    for _ in range(3):
        decoder.bring_all(images, LIMITS, Cores(1), _Network())
    [record] = caplog.records
    assert "cpu: 1 JPEGs could not be decoded together there (nvjpegDecode" in record.message


def test_what_is_damaged_inside_hurts_only_itself() -> None:
    photo = encode(blotches(320, 240, 1))
    scan = photo.index(b"\xff\xda") + 14
    damaged = photo[: scan + 40] + b"\xff\xc4\0\5?\xff\0" + photo[scan + 300 :]
    images = [photo, damaged, photo]
    expected = on_cores(images)
    assert [isinstance(slot, DecodeError) for slot in expected[0]] == [False, True, False]
    decoding = _Decoding()
    assert_same(on_device(images, decode_jpegs=decoding), expected)
    assert decoding.calls == [1, 3]


@given(
    changes=st.lists(st.tuples(st.integers(2, 5000), st.integers(0, 255)), max_size=6),
    length=st.sampled_from([5000, 4000, 600, 300]),
)
@settings(max_examples=100, deadline=None)
def test_no_damage_hurts_others(changes: list[tuple[int, int]], length: int) -> None:
    good = encode(blotches(160, 120))
    damaged = bytearray(good[:length])
    for place, value in changes:
        damaged[place % len(damaged)] = value
    slots, pixels = on_device([good, bytes(damaged), good])
    assert slots[0] == slots[2] == on_cores([good])[0][0]
    assert len(pixels) == (2 if isinstance(slots[1], InputError) else 3)
    np.testing.assert_array_equal(pixels[0], pixels[-1])
    assert np.abs(pixels[0] - on_cores([good])[1][0]).max() <= GREY_LEVELS


def test_pictures_of_other_sizes_than_their_headers_are_refused() -> None:
    def turn(encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        return [picture.transpose(1, 2) for picture in decode_jpeg(encoded, **options)]

    images = [encode(blotches(300, 200)), encode(blotches(64, 64))]
    assert_same(on_device(images, decode_jpegs=turn), on_cores(images))


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("tried to allocate 2 GiB"),
        RuntimeError("empty API call failed: CUDA error: out of memory"),
    ],
)
def test_a_device_out_of_memory_is_told_so_that_the_batch_is_halved(error: Exception) -> None:
    with pytest.raises(RuntimeError) as caught:
        on_device(mixed_pictures(), decode_jpegs=_Decoding(error))
    assert is_out_of_memory(caught.value)


def test_only_so_many_pixels_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_decoder, "_MAX_GROUP_PIXELS", 3 * 100 * 80)
    small, large = encode(blotches(100, 80)), encode(blotches(200, 160))
    images = [small] * 7 + [large, large, small, encode(blotches(9, 9), "PNG"), small]
    decoding = _Decoding()
    assert_same(on_device(images, decode_jpegs=decoding), on_cores(images))
    assert decoding.calls == [1, 3, 3, 1, 1, 1, 2]


def test_one_group_that_is_refused_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_decoder, "_MAX_GROUP_PIXELS", 2 * 100 * 80)
    images = [encode(blotches(100, 80, seed)) for seed in range(3)]
    decoding = _Decoding(RuntimeError("nvjpegDecode failed: 6"), above=1)
    assert_same(on_device(images, decode_jpegs=decoding), on_cores(images))
    assert decoding.calls == [1, 2, 1]


def test_many_threads_at_once_keep_their_pictures() -> None:
    decoder, network = DeviceDecoder("cpu", LETTERBOX), _Network()
    batches = [
        [encode(blotches(200 + n, 150, n)), encode(blotches(64, 64, n), "PNG"), b""]
        for n in range(12)
    ]
    cores = Cores(2)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda b: decoder.bring_all(b, LIMITS, cores, network), batches))
    for (slots, uploaded), batch in zip(found, batches, strict=True):
        assert_same((slots, uploaded.tensor().numpy()), on_cores(batch))


class _WatchedStream(SideStream):
    """Tells what happens on it, in order, and takes its time."""

    happened: ClassVar[list[str]] = []

    @contextmanager
    def current(self) -> Iterator[None]:
        self.happened.append("in")
        time.sleep(0.002)
        yield
        self.happened.append("out")

    def drain(self) -> None:
        self.happened.append("drained")
        time.sleep(0.002)


def test_nothing_is_given_to_the_stream_between_its_draining_and_the_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def decode(encoded: Sequence[Any], **options: Any) -> list[torch.Tensor]:
        _WatchedStream.happened.append("decoded")
        decoded: list[torch.Tensor] = decode_jpeg(encoded, **options)
        return decoded

    monkeypatch.setattr(device_decoder, "SideStream", _WatchedStream)
    _WatchedStream.happened.clear()
    decoder, network, cores = DeviceDecoder("cpu", LETTERBOX, decode), _Network(), Cores(1)
    jpeg, png = encode(blotches(64, 64)), encode(blotches(64, 64), "PNG")
    batches = [[jpeg], [jpeg, png]] * 6
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: decoder.bring_all(batch, LIMITS, cores, network), batches))
    turns = " ".join(_WatchedStream.happened).removesuffix(" out").split(" out ")
    assert sorted(turns) == sorted(
        # One as it is made, one a batch; then the batch is put together, and what was sent kept.
        ["in drained decoded"] * 13 + ["in"] * 6 + ["in drained"] * 6
    )
