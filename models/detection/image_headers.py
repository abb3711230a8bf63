"""The former place of `models.images.headers`."""

from models.images.headers import ImageHeader, read_png_header, read_webp_header

__all__ = ["ImageHeader", "read_png_header", "read_webp_header"]
