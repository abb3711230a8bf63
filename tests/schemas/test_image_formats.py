"""Formats are told by the first bytes, and messages name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DecodeError, VideoFrame, make_codec
from schemas.image_formats import DECODED, image_content_type, image_format, why_not_decoded


def ftyp(brand: bytes, *compatible: bytes) -> bytes:
    body = b"ftyp" + brand + bytes(4) + b"".join(compatible)
    return (len(body) + 4).to_bytes(4, "big") + body + bytes(40)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        (ftyp(b"heic", b"mif1", b"heic"), "HEIC"),
        (ftyp(b"mif1", b"heic"), "HEIC"),
        (ftyp(b"mif1", b"avif"), "AVIF"),
        (ftyp(b"avif"), "AVIF"),
        (ftyp(b"isom", b"avc1"), "MP4 or MOV video"),
        (b"\xff\x0a1234", "JPEG XL"),
        (b"RIFF1234AVI ", "AVI video"),
        (b"%PDF-1.7", "PDF"),
        (b"P6 3 3 255 ", "Netpbm"),
        (b"BM not a bitmap but text", ""),
        (b"", ""),
    ],
)
def test_formats_by_their_first_bytes(image: bytes, name: str) -> None:
    assert image_format(image) == name


def test_the_dead_letter_of_a_heic_names_it() -> None:
    with pytest.raises(DecodeError, match="the value is an HEIC file: expected JPEG, PNG, WebP"):
        make_codec("image", VideoFrame).decode(ftyp(b"heic"), {})


@given(st.binary(max_size=64))
def test_any_bytes_have_a_format_or_a_reason(image: bytes) -> None:
    assert (image_format(image) in DECODED) == bool(image_content_type(image))
    assert why_not_decoded(image)
