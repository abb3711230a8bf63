"""Decoding within limits, and the way to a network's size and back."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.detection.images import (
    PADDING_GREY,
    ImageLimits,
    Pixels,
    decode_image,
    letterbox,
    stretch,
)
from schemas import DecodeError, InputError, TooLargeError, VideoFrame

LIMITS = ImageLimits()


def gradient(width: int = 64, height: int = 48) -> Pixels:
    x, y = np.linspace(0, 255, width), np.linspace(0, 255, height)
    red, green = np.broadcast_arrays(x[None, :], y[:, None])
    return np.stack([red, green, 255 - red], axis=-1).astype(np.uint8)


def encode(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("format", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 98, "subsampling": 0}, 6),
        ("JPEG", {"quality": 98, "subsampling": 0, "progressive": True}, 6),
    ],
)
def test_decodes_to_rgb(format: str, options: dict[str, Any], tolerance: int) -> None:
    image = gradient()
    decoded = decode_image(encode(Image.fromarray(image), format, **options), LIMITS)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - image).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "format", "tolerance"),
    [
        ("L", "JPEG", 6),
        ("CMYK", "JPEG", 12),
        ("L", "PNG", 0),
        ("LA", "PNG", 0),
        ("RGBA", "PNG", 0),
        ("RGBA", "WEBP", 60),  # lossy, with coarse colour
        ("P", "PNG", 60),  # 216 colours
        ("1", "PNG", 255),
    ],
)
def test_every_kind_of_picture_becomes_rgb(mode: str, format: str, tolerance: int) -> None:
    source = Image.fromarray(gradient()).convert(mode)
    expected = np.asarray(source.convert("RGB")).astype(int)
    options = {"quality": 98, "subsampling": 0} if format == "JPEG" else {}
    decoded = decode_image(encode(source, format, **options), LIMITS)
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded - expected).max() <= tolerance


def test_a_palette_with_transparency_decodes() -> None:
    image = Image.fromarray(gradient()).quantize(16)
    decoded = decode_image(encode(image, "PNG", transparency=bytes(range(16))), LIMITS)
    np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))


def test_sixteen_bit_grey_keeps_its_tones() -> None:
    deep = (np.arange(64 * 4, dtype=np.uint16) * 257).reshape(4, 64)
    decoded = decode_image(encode(Image.fromarray(deep), "PNG"), LIMITS)
    np.testing.assert_array_equal(decoded[..., 1], deep >> 8)


def test_the_example_frame_is_one_red_pixel() -> None:
    assert decode_image(VideoFrame.example().image, LIMITS).tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_an_error(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    whole = encode(Image.fromarray(noise), format)
    assert decode_image(whole, LIMITS).shape == (200, 200, 3)
    with pytest.raises(DecodeError, match="truncated"):
        decode_image(whole[: int(share * len(whole))], LIMITS)


@pytest.mark.parametrize(
    "image", [b"", b"GIF89a....", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"{}"]
)
def test_what_is_no_image_is_an_error(image: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_image(image, LIMITS)


@pytest.mark.parametrize("side", [9_000, 12_000, 30_000])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    # The body is empty: had pixels been looked at, this were a DecodeError.
    with pytest.raises(TooLargeError):
        decode_image(png_header(side, side), LIMITS)


def test_a_large_jpeg_is_refused_by_its_header() -> None:
    jpeg = bytearray(encode(Image.fromarray(gradient()), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    with pytest.raises(TooLargeError, match="30000x30000"):
        decode_image(bytes(jpeg), LIMITS)


def test_a_long_thin_picture_is_over_the_side() -> None:
    with pytest.raises(TooLargeError, match="20000 a side"):
        decode_image(png_header(20_001, 1), LIMITS)


def _encoded_gradients() -> list[bytes]:
    image = Image.fromarray(gradient())
    pictures = [encode(image, "JPEG"), encode(image, "JPEG", progressive=True)]
    pictures += [encode(image, "PNG"), encode(image.convert("P"), "PNG"), encode(image, "WEBP")]
    return [*pictures, encode(image.convert("CMYK"), "JPEG")]


@given(
    picture=st.sampled_from(_encoded_gradients()),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 4000),
)
@settings(max_examples=300, deadline=None)
def test_damage_gives_pixels_or_an_input_error(
    picture: bytes, changes: list[tuple[int, int]], length: int
) -> None:
    damaged = bytearray(picture[:length])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    try:
        pixels = decode_image(bytes(damaged), LIMITS)
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


@pytest.mark.parametrize(("rows", "columns"), [(480, 640), (640, 480), (10, 900), (1, 1), (64, 64)])
def test_boxes_find_their_way_back(rows: int, columns: int) -> None:
    image = np.zeros((rows, columns, 3), np.uint8)
    boxes = np.array([[0, 0, columns, rows], [0, 0, columns / 2, rows / 4]], np.float32)
    for bring in (letterbox, stretch):
        fitted, fit = bring(image, 64, 96)
        assert fitted.shape == (64, 96, 3)
        scale = np.array([fit.scale_x, fit.scale_y] * 2)
        there = boxes * scale + np.array([fit.offset_x, fit.offset_y] * 2)
        np.testing.assert_allclose(
            fit.to_original(there.astype(np.float32)), boxes, rtol=1e-4, atol=1e-3
        )


def test_letterbox_keeps_the_aspect_and_pads_with_grey() -> None:
    fitted, fit = letterbox(np.full((100, 400, 3), 200, np.uint8), 60, 80)
    assert (fit.scale_x, fit.scale_y, fit.offset_x, fit.offset_y) == (0.2, 0.2, 0, 20)
    assert (fitted[20:40] == 200).all()
    assert (fitted[:20] == PADDING_GREY).all()
    assert (fitted[40:] == PADDING_GREY).all()


def test_boxes_beyond_the_frame_are_cut() -> None:
    _, fit = letterbox(np.zeros((100, 200, 3), np.uint8), 100, 100)
    boxes = fit.to_original(np.array([[-50, 0, 150, 100]], np.float32))
    np.testing.assert_allclose(boxes, [[0, 0, 200, 100]])
