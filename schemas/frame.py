"""Video frames, as encoded images."""

from __future__ import annotations

from typing import Annotated, Self

from msgspec import Meta

from schemas.event import Event

#: One red pixel, 8-bit RGB: the smallest real image for `example()`.
_PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


class VideoFrame(Event, frozen=True, kw_only=True):
    """One frame of one camera. With the `image` codec the record's value is the image file."""

    image: Annotated[bytes, Meta(min_length=1)]
    """A JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF file; `docs/vision.md` says how it is read.

    (JSON carries bytes as base64: use the `image` codec instead.)
    """
    frame_index: int = 0
    """Number of the frame at its camera, from 0; header `frame_index` with the `image` codec."""

    @classmethod
    def example(cls) -> Self:
        """Return a frame of one red pixel."""
        return cls(
            source_id="camera-1",
            event_time_ms=1_700_000_000_000,
            event_id="f-1",
            image=_PNG,
            frame_index=7,
        )
