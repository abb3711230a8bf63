"""Decoding within limits, at full size or scaled."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.images import ImageLimits, Pixels, decode_image
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
    decoded = decode_image(encode(Image.fromarray(image), format, **options), LIMITS).pixels
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
        ("RGBA", "WEBP", 60),  # lossy, with coarse color
        ("P", "PNG", 60),  # 216 colors
        ("1", "PNG", 255),
    ],
)
def test_every_mode_of_picture_becomes_rgb(mode: str, format: str, tolerance: int) -> None:
    source = Image.fromarray(gradient()).convert(mode)
    expected = np.asarray(source.convert("RGB")).astype(int)
    options = {"quality": 98, "subsampling": 0} if format == "JPEG" else {}
    decoded = decode_image(encode(source, format, **options), LIMITS).pixels
    assert decoded.shape == (48, 64, 3)
    assert np.abs(decoded - expected).max() <= tolerance


def test_a_palette_with_transparency_decodes() -> None:
    image = Image.fromarray(gradient()).quantize(16)
    decoded = decode_image(encode(image, "PNG", transparency=bytes(range(16))), LIMITS).pixels
    np.testing.assert_array_equal(decoded, np.asarray(image.convert("RGB")))


def test_sixteen_bit_gray_keeps_its_tones() -> None:
    deep = (np.arange(64 * 4, dtype=np.uint16) * 257).reshape(4, 64)
    decoded = decode_image(encode(Image.fromarray(deep), "PNG"), LIMITS).pixels
    np.testing.assert_array_equal(decoded[..., 1], deep >> 8)


def test_the_example_frame_is_one_red_pixel() -> None:
    assert decode_image(VideoFrame.example().image, LIMITS).pixels.tolist() == [[[255, 0, 0]]]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_an_error(format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    whole = encode(Image.fromarray(noise), format)
    assert decode_image(whole, LIMITS).pixels.shape == (200, 200, 3)
    with pytest.raises(DecodeError, match="truncated"):
        decode_image(whole[: int(share * len(whole))], LIMITS)


@pytest.mark.parametrize(
    "image", [b"", b"GIF89a....", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"{}"]
)
def test_bytes_that_are_no_image_are_an_error(image: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_image(image, LIMITS)


@pytest.mark.parametrize("side", [9_000, 12_000, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    # The body is empty: had pixels been looked at, this were a DecodeError.
    with pytest.raises(TooLargeError):
        decode_image(png_header(side, side), LIMITS)


def test_a_large_jpeg_is_refused_by_its_header() -> None:
    jpeg = bytearray(encode(Image.fromarray(gradient()), "JPEG"))
    frame = jpeg.index(b"\xff\xc0")
    jpeg[frame + 5 : frame + 9] = struct.pack(">HH", 30_000, 30_000)
    with pytest.raises(TooLargeError, match="30000x30000"):
        decode_image(bytes(jpeg), LIMITS)


def test_a_long_thin_picture_is_over_the_limit_of_a_side() -> None:
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
        pixels = decode_image(bytes(damaged), LIMITS).pixels
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


def needs(rows: int, columns: int) -> Callable[[int, int], tuple[int, int]]:
    return lambda height, width: (rows, columns)


@pytest.mark.parametrize(
    ("rows", "columns", "divisor", "shape"),
    [
        (241, 1, 1, (479, 637)),
        (240, 319, 2, (240, 319)),
        (1, 160, 4, (120, 160)),
        (121, 1, 2, (240, 319)),
        (60, 80, 8, (60, 80)),
        (1, 1, 8, (60, 80)),
    ],
)
def test_jpeg_is_decoded_no_smaller_than_needed(
    rows: int, columns: int, divisor: int, shape: tuple[int, int]
) -> None:
    jpeg = encode(Image.fromarray(gradient(637, 479)), "JPEG", quality=95)
    picture = decode_image(jpeg, LIMITS, needs(rows, columns))
    assert (picture.width, picture.height, picture.divisor) == (637, 479, divisor)
    assert picture.pixels.shape == (*shape, 3)


@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_scaled_decoding_averages_squares_of_the_original(divisor: int) -> None:
    source = gradient(640, 480)
    source[240:, 320:] = 0  # an edge in the middle
    jpeg = encode(Image.fromarray(source), "JPEG", quality=98, subsampling=0)
    whole = decode_image(jpeg, LIMITS).pixels.astype(float)
    small = decode_image(jpeg, LIMITS, needs(480 // divisor, 640 // divisor)).pixels
    squares = whole.reshape(480 // divisor, divisor, 640 // divisor, divisor, 3).mean(axis=(1, 3))
    assert np.abs(small - squares).max() <= 6


def test_other_formats_than_plain_jpeg_are_decoded_in_full() -> None:
    image = Image.fromarray(gradient(640, 480))
    for picture in (encode(image, "PNG"), encode(image.convert("CMYK"), "JPEG")):
        decoded = decode_image(picture, LIMITS, needs(1, 1))
        assert (decoded.pixels.shape, decoded.divisor) == ((480, 640, 3), 1)


def test_scaled_decoding_has_the_same_limits_and_errors() -> None:
    jpeg = encode(Image.fromarray(gradient(640, 480)), "JPEG", quality=98)
    with pytest.raises(TooLargeError, match="640x480"):
        decode_image(jpeg, ImageLimits(max_pixels=640 * 480 - 1), needs(1, 1))
    with pytest.raises(DecodeError, match="truncated"):
        decode_image(jpeg[: len(jpeg) // 2], LIMITS, needs(1, 1))
