"""Headers are read as Pillow reads them, without opening the file."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from models.images import ImageLimits, decode_image
from models.images.headers import read_png_header, read_webp_header
from schemas import DecodeError, InputError, TooLargeError

HEADER_READERS = {"PNG": read_png_header, "WEBP": read_webp_header}


def animation(format: str, num_frames: int, size: tuple[int, int] = (33, 21)) -> bytes:
    pictures = [Image.new("RGB", size, (40 * i, 0, 0)) for i in range(num_frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, format, save_all=num_frames > 1, append_images=pictures[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("format", HEADER_READERS)
@pytest.mark.parametrize("num_frames", [1, 2, 5])
def test_size_and_number_of_pictures(format: str, num_frames: int) -> None:
    assert HEADER_READERS[format](animation(format, num_frames)) == (33, 21, num_frames)


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"exif": b"Exif\0\0x"}])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_every_kind_of_webp(options: dict[str, bool], mode: str) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (300, 7)).save(buffer, "WEBP", **options)
    assert read_webp_header(buffer.getvalue()) == (300, 7, 1)


@pytest.mark.parametrize("format", HEADER_READERS)
def test_animations_are_refused(format: str) -> None:
    with pytest.raises(TooLargeError, match="animation of 3 frames: expected at most 1"):
        decode_image(animation(format, 3), ImageLimits())
    assert decode_image(animation(format, 3), ImageLimits(max_frames=3)).pixels.shape == (21, 33, 3)


def test_a_webp_with_a_huge_canvas_is_refused_without_opening_it() -> None:
    image = bytearray(animation("WEBP", 2))
    image[24:30] = b"\xff\x3f\x00\xff\x3f\x00"  # 16,384 a side: a gigabyte
    with pytest.raises(TooLargeError, match="16384x16384"):
        decode_image(bytes(image), ImageLimits(max_frames=2))


def test_a_file_of_empty_blocks_is_refused() -> None:
    with pytest.raises(DecodeError, match="10,000 blocks"):
        read_png_header(animation("PNG", 1)[:33] + b"\0\0\0\0tEXt\0\0\0\0" * 20_000)


@given(st.sampled_from([*HEADER_READERS]), st.binary(max_size=80), st.integers(0, 200))
def test_damaged_files_are_input_errors(format: str, damage: bytes, at: int) -> None:
    image = animation(format, 2)
    broken = image[:at] + damage + image[at + len(damage) :]
    try:
        HEADER_READERS[format](broken)
    except InputError:
        pass
