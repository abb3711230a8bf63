"""Decoding within limits, at full size or scaled."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

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
@settings(max_examples=300)
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


def test_other_formats_than_jpeg_are_decoded_in_full() -> None:
    image = Image.fromarray(gradient(640, 480))
    decoded = decode_image(encode(image, "PNG"), LIMITS, needs(1, 1))
    assert (decoded.pixels.shape, decoded.divisor) == ((480, 640, 3), 1)


def test_scaled_decoding_has_the_same_limits_and_errors() -> None:
    jpeg = encode(Image.fromarray(gradient(640, 480)), "JPEG", quality=98)
    with pytest.raises(TooLargeError, match="640x480"):
        decode_image(jpeg, ImageLimits(max_pixels=640 * 480 - 1), needs(1, 1))
    with pytest.raises(DecodeError, match="truncated"):
        decode_image(jpeg[: len(jpeg) // 2], LIMITS, needs(1, 1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_picture_is_turned_as_a_viewer_shows_it(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = encode(Image.fromarray(gradient()), format, exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(stored))).convert("RGB"))
    picture = decode_image(stored, LIMITS)
    np.testing.assert_array_equal(picture.pixels, shown)
    assert (picture.height, picture.width) == shown.shape[:2]
    assert picture.width == (48 if orientation >= 5 else 64)


def test_scaled_decoding_needs_rows_and_columns_of_the_picture_as_shown() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = encode(Image.fromarray(gradient(640, 480)), "JPEG", exif=exif)
    picture = decode_image(jpeg, LIMITS, needs(320, 60))
    assert (picture.width, picture.height, picture.divisor) == (480, 640, 2)
    assert picture.pixels.shape == (320, 240, 3)


def _stray_jpegs() -> dict[str, bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    image = Image.fromarray(noise)
    clean, rows = encode(image, "JPEG"), encode(image, "JPEG", restart_marker_rows=1)
    progressive = encode(image, "JPEG", progressive=True)
    marker = rows.index(b"\xff\xd1")
    every = re.sub(rb"(?=\xff[\xd0-\xd7])", bytes(16), rows)
    return {
        "two before the end": clean[:-2] + bytes(2) + clean[-2:],
        "thousands before the end": clean[:-2] + bytes(3000) + clean[-2:],
        "other bytes before the end": clean[:-2] + bytes(range(1, 80)) + clean[-2:],
        "before one restart": rows[:marker] + bytes(16) + rows[marker:],
        "before every restart": every,
        "other bytes before a restart": rows[:marker] + b"camera 17, firmware 3" + rows[marker:],
        "progressive": progressive[:-2] + bytes(20) + progressive[-2:],
    }


@pytest.mark.parametrize("name", _stray_jpegs())
def test_stray_bytes_in_front_of_a_marker_touch_no_pixel(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    clean = decode_image(encode(Image.fromarray(noise), "JPEG"), LIMITS).pixels
    decoded = decode_image(_stray_jpegs()[name], LIMITS).pixels
    np.testing.assert_array_equal(decoded, clean)


def test_stray_bytes_do_not_hide_other_damage() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    jpeg = encode(Image.fromarray(noise), "JPEG")
    short = jpeg[:-200] + jpeg[-2:]  # 198 bytes of the last pixels are absent
    with pytest.raises(DecodeError, match="damaged"):
        decode_image(short, LIMITS)
    rows = encode(Image.fromarray(noise), "JPEG", restart_marker_rows=1)
    marker = rows.index(b"\xff\xd1")
    both = rows[: marker - 100] + bytes(9) + rows[marker:-2] + bytes(20) + rows[-2:]
    with pytest.raises(DecodeError, match="damaged"):
        decode_image(both, LIMITS)


def test_a_jpeg_without_its_end_says_so() -> None:
    jpeg = encode(Image.fromarray(gradient()), "JPEG")
    with pytest.raises(DecodeError, match="Premature end"):
        decode_image(jpeg[:-2], LIMITS)


@pytest.mark.parametrize("form", ["CMYK", "YCCK", "without Adobe's marker"])
def test_cmyk_jpeg_is_read_as_viewers_read_it(form: str) -> None:
    jpeg = bytearray(encode(Image.fromarray(gradient()).convert("CMYK"), "JPEG"))
    adobe = jpeg.index(b"Adobe")
    if form == "YCCK":
        jpeg[adobe + 11] = 2
    elif form != "CMYK":
        del jpeg[adobe - 4 : adobe + 12]
    expected = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(int)
    assert np.abs(decode_image(bytes(jpeg), LIMITS).pixels - expected).max() <= 1


def test_a_truncated_cmyk_jpeg_is_refused() -> None:
    jpeg = encode(Image.fromarray(gradient()).convert("CMYK"), "JPEG")
    with pytest.raises(DecodeError):
        decode_image(jpeg[:-60] + jpeg[-2:], LIMITS)


def test_rare_samplings_of_color_are_decoded() -> None:
    """simplejpeg knows no name for 4:4:1: the first component has sampling factors 1 and 4."""
    jpeg = bytearray(encode(Image.fromarray(gradient(64, 64)), "JPEG", subsampling="4:2:0"))
    frame = jpeg.index(b"\xff\xc0")
    assert jpeg[frame + 11] == 0x22
    jpeg[frame + 11] = 0x14  # the blocks come in the same number, in another place
    shown = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(bytes(jpeg), LIMITS).pixels, shown)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_other_formats_decode_as_pillow_reads_them(format: str, mode: str) -> None:
    stored = encode(Image.fromarray(gradient()).convert(mode), format)
    expected = np.asarray(Image.open(io.BytesIO(stored)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(stored, LIMITS).pixels, expected)


@pytest.mark.parametrize("format", ["GIF", "TIFF", "AVIF"])
def test_several_pictures_in_a_file_are_refused(format: str) -> None:
    frames = [Image.fromarray(np.full((20, 30, 3), level, np.uint8)) for level in (0, 100, 200)]
    stored = encode(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(TooLargeError, match="3 frames"):
        decode_image(stored, LIMITS)


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF", "AVIF"])
def test_the_limits_hold_for_every_format(format: str) -> None:
    stored = encode(Image.fromarray(gradient()), format)
    with pytest.raises(TooLargeError, match="64x48"):
        decode_image(stored, ImageLimits(max_pixels=64 * 48 - 1))


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF"])
def test_truncated_files_of_other_formats_are_refused(format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    stored = encode(Image.fromarray(noise), format)
    with pytest.raises(DecodeError, match="truncated"):
        decode_image(stored[: len(stored) // 2], LIMITS)


def test_a_picture_without_pixels_is_refused() -> None:
    for width, height in ((0, 5), (5, 0), (0, 0)):
        with pytest.raises(DecodeError, match=f"{width}x{height}"):
            decode_image(png_header(width, height), LIMITS)


def test_the_gray_range_is_an_option() -> None:
    deep = Image.fromarray((np.arange(256, dtype=np.uint16) * 16).reshape(16, 16))
    for stored in (encode(deep, "PNG"), encode(deep, "TIFF")):
        assert decode_image(stored, LIMITS).pixels.max() == 15
        ranged = decode_image(stored, LIMITS, gray_range=(0, 4080)).pixels
        np.testing.assert_array_equal(ranged[..., 0].ravel(), np.arange(256))


def test_floating_point_needs_a_gray_range() -> None:
    stored = encode(Image.fromarray(np.linspace(-5, 5, 64, dtype=np.float32).reshape(8, 8)), "TIFF")
    with pytest.raises(DecodeError, match="gray_range"):
        decode_image(stored, LIMITS)
    assert decode_image(stored, LIMITS, gray_range=(-5, 5)).pixels[-1, -1, 0] == 255


_OTHERS = [
    encode(Image.fromarray(gradient(36, 24)), format, **options)
    for format, options in [
        ("GIF", {}), ("BMP", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("AVIF", {}),
    ]
]  # fmt: skip


@given(
    picture=st.sampled_from(_OTHERS),
    changes=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=6),
    length=st.integers(0, 4000),
    tail=st.binary(max_size=20),
)
@settings(max_examples=300)
def test_damage_to_any_format_gives_pixels_or_an_input_error(
    picture: bytes, changes: list[tuple[int, int]], length: int, tail: bytes
) -> None:
    damaged = bytearray(picture[:length])
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    try:
        pixels = decode_image(bytes(damaged + tail), LIMITS).pixels
    except InputError:
        return
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3


@given(start=st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"BM"]), rest=st.binary())
def test_any_bytes_are_pixels_or_an_input_error(start: bytes, rest: bytes) -> None:
    try:
        decode_image(start + rest, LIMITS)
    except InputError:
        pass
