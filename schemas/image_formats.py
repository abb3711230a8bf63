"""Formats of pictures, told by their first bytes; no pixel is looked at."""

from __future__ import annotations

#: The formats that models decode, with their media types.
DECODED = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WebP": "image/webp",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "AVIF": "image/avif",
}
#: For messages.
DECODED_TEXT = "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"

_STARTS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL \r\n\x87\n": "JPEG XL",
    b"\0\0\0\x0cjP  \r\n\x87\n": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "ICO",
    b"\x76\x2f\x31\x01": "OpenEXR",
    b"%PDF": "PDF",
    b"\x1a\x45\xdf\xa3": "Matroska or WebM video",
    b"\0\0\0\1\x67": "H.264 video",
    b"\0\0\0\1\x27": "H.264 video",
    b"\0\0\0\1\x40\x01": "H.265 video",
    b"<svg": "SVG",
}
#: The form of the header behind a BMP's file header, by its size in bytes.
_BMP_HEADER_BYTES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)


def image_format(image: bytes) -> str:
    """Return the name of a picture's or a video's format, "" if it is not known."""
    for start, name in _STARTS.items():
        if image.startswith(start):
            return name
    if image[:4] == b"RIFF":
        return {b"WEBP": "WebP", b"AVI ": "AVI video"}.get(image[8:12], "")
    if image[4:8] == b"ftyp":
        return _boxed_format(image)
    if image[:2] == b"BM" and int.from_bytes(image[14:18], "little") in _BMP_HEADER_BYTES:
        return "BMP"
    if image[:1] == b"P" and image[1:2] in b"1234567" and image[2:3].isspace():
        return "Netpbm"
    return ""


def image_content_type(image: bytes) -> str:
    """Return the media type of a picture that models decode, "" for anything else."""
    return DECODED.get(image_format(image), "")


def why_not_decoded(image: bytes, what: str = "the image") -> str:
    """Return why bytes are no picture that models decode.

    Args:
        image: the bytes.
        what: to call them.
    """
    if name := image_format(image):
        article = "an" if name[0] in "AHIO" or name.startswith("SVG") else "a"
        return f"{what} is {article} {name} file: expected {DECODED_TEXT}: convert it first"
    start = image[:8].hex(" ") or "nothing"
    return f"neither {DECODED_TEXT}: {what} starts with {start}"


def _boxed_format(image: bytes) -> str:
    """Return the format of a file of boxes (ISO/IEC 14496-12) by its brands."""
    stop = min(int.from_bytes(image[:4], "big"), 256)
    brands = {image[8:12], *(image[at : at + 4] for at in range(16, stop - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    if brands & _HEIC_BRANDS:
        return "HEIC"
    return "MP4 or MOV video"
