"""Pictures in, pixels out: decoding within limits, for every model that looks at pictures."""

from models.images.decode import ImageLimits, Needed, Picture, Pixels, decode_image

__all__ = ["ImageLimits", "Needed", "Picture", "Pixels", "decode_image"]
