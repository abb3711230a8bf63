"""The former place of `models.images`."""

from models.images import ImageLimits, Needed, Picture, Pixels, decode_image

__all__ = ["ImageLimits", "Needed", "Picture", "Pixels", "decode_image"]
