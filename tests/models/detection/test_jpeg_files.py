"""Which JPEG files are plain, by their bytes: nothing that libjpeg refuses, and no exceptions."""

from __future__ import annotations

import struct
import time
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from models.detection.images import ImageLimits, decode_image
from models.detection.jpeg_files import plain_jpeg
from schemas import DecodeError
from tests.models.detection.pictures import blotches, encode, jpeg_bomb, turned

LIMITS = ImageLimits()
PICTURE = blotches(61, 43)
END = b"\xff\xd9"


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(body)) + body


def inserted(jpeg: bytes, *segments: bytes) -> bytes:
    """Return the file with segments right after its start."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": 1},
        {"quality": 100, "optimize": True},
        {"restart_marker_blocks": 2},
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_cameras_write_is_plain(mode: str, options: dict[str, Any]) -> None:
    jpeg = encode(PICTURE.convert(mode), **options)
    plain = plain_jpeg(jpeg, LIMITS)
    assert plain is not None
    assert (plain.height, plain.width, plain.num_pixels) == (43, 61, 43 * 61)
    assert plain.encoded == jpeg
    assert plain_jpeg(jpeg + b"\0" * 10, LIMITS) is not None  # cameras pad files


@pytest.mark.parametrize(
    "jpeg",
    [
        turned(PICTURE),
        encode(PICTURE, comment=b"hello"),
        encode(PICTURE, icc_profile=b"colours" * 20_000),
        inserted(encode(PICTURE), segment(0xE4, b"maker"), segment(0xED, b"preview" + END)),
    ],
    ids=["EXIF", "comment", "profile", "maker"],
)
def test_remarks_are_left_out_and_the_pixels_stay(jpeg: bytes) -> None:
    plain = plain_jpeg(jpeg, LIMITS)
    assert plain is not None
    assert plain.encoded == encode(PICTURE)
    np.testing.assert_array_equal(
        simplejpeg.decode_jpeg(bytes(plain.encoded)), simplejpeg.decode_jpeg(jpeg)
    )


def test_a_thumbnails_end_is_not_the_files() -> None:
    whole = encode(PICTURE)
    thumbnail = segment(0xE1, b"Exif\0\0" + encode(blotches(8, 8)))
    in_another = segment(0xED, encode(blotches(8, 8)))
    for jpeg in (inserted(whole, thumbnail), inserted(whole, in_another)):
        assert plain_jpeg(jpeg, LIMITS) is not None
        assert plain_jpeg(jpeg[:-2], LIMITS) is None
        assert plain_jpeg(jpeg[:-20], LIMITS) is None


@pytest.mark.parametrize("progressive", [False, True])
def test_no_part_of_a_file_is_plain(progressive: bool) -> None:
    jpeg = encode(blotches(160, 120), quality=95, progressive=progressive)
    for length in range(len(jpeg)):
        assert plain_jpeg(jpeg[:length], LIMITS) is None


def odd_files() -> dict[str, bytes]:
    whole = encode(PICTURE)
    frame = whole.index(b"\xff\xc0")
    extended, arithmetic = bytearray(whole), bytearray(whole)
    extended[frame + 1], arithmetic[frame + 1] = 0xC1, 0xC9
    deep = bytearray(whole)
    deep[frame + 4] = 12
    no_height = bytearray(whole)
    no_height[frame + 5 : frame + 7] = b"\0\0"
    thin = bytearray(encode(PICTURE, subsampling=0))
    thin[thin.index(b"\xff\xc0") + 11] = 0x31  # three brightnesses to one colour
    size = struct.unpack_from(">H", whole, frame + 2)[0]
    return {
        "nothing": b"",
        "PNG": encode(PICTURE, "PNG"),
        "WebP": encode(PICTURE, "WEBP"),
        "CMYK": encode(PICTURE.convert("CMYK")),
        "RGB": encode(PICTURE, keep_rgb=True),
        "extended": bytes(extended),
        "arithmetic": bytes(arithmetic),
        "12 bit": bytes(deep),
        "no height yet": bytes(no_height),
        "three to one": bytes(thin),
        "two frames": inserted(whole, whole[frame : frame + 2 + size]),
        "filled up with FF": inserted(whole, b"\xff"),
        "between segments": inserted(whole, b"\0"),
        "an unknown segment": inserted(whole, segment(0x02, b"??")),
        "bomb": jpeg_bomb(),
    }


@pytest.mark.parametrize("name", odd_files())
def test_what_is_odd_is_not_plain(name: str) -> None:
    assert plain_jpeg(odd_files()[name], LIMITS) is None


def test_limits_are_kept() -> None:
    jpeg = encode(PICTURE)
    assert plain_jpeg(jpeg, ImageLimits(max_pixels=61 * 43)) is not None
    assert plain_jpeg(jpeg, ImageLimits(max_pixels=61 * 43 - 1)) is None
    assert plain_jpeg(jpeg, ImageLimits(max_side=60)) is None


def test_a_file_of_endless_segments_takes_no_time() -> None:
    jpeg = inserted(encode(PICTURE), segment(0xFE, b"") * 2_000_000)
    started = time.monotonic()
    assert plain_jpeg(jpeg, LIMITS) is None
    assert time.monotonic() - started < 1.0


@given(
    jpeg=st.sampled_from(
        [
            *(encode(PICTURE.convert(mode)) for mode in ("RGB", "L", "CMYK")),
            encode(PICTURE, progressive=True),
            turned(PICTURE),
        ]
    ),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
    cut=st.tuples(st.integers(0, 3000), st.integers(0, 40)),
    length=st.integers(0, 4000),
)
@settings(max_examples=500, deadline=None)
def test_damage_is_plain_or_not_but_never_an_exception(
    jpeg: bytes, changes: list[tuple[int, int]], cut: tuple[int, int], length: int
) -> None:
    damaged = bytearray(jpeg)
    del damaged[cut[0] : sum(cut)]
    for place, value in changes:
        if place < len(damaged):
            damaged[place] = value
    plain = plain_jpeg(bytes(damaged[:length]), LIMITS)
    if plain is not None:
        assert END in plain.encoded
        try:
            picture = decode_image(bytes(damaged[:length]), LIMITS)
        except DecodeError:
            return  # damaged between its header and its end
        assert (picture.height, picture.width) == (plain.height, plain.width)


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_bytes_at_all_raise(tail: bytes) -> None:
    plain_jpeg(tail, LIMITS)
    plain_jpeg(b"\xff\xd8\xff" + tail, LIMITS)
    plain_jpeg(b"\xff\xd8" + segment(0xC0, tail) + segment(0xDA, b"") + END, LIMITS)
