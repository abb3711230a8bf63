"""Pictures in, pixels out: decoding within limits, for every model that looks at pictures."""

from models.images.decode import decode_image
from models.images.gray import GrayRange, read_gray_range
from models.images.limits import ImageLimits
from models.images.picture import Needed, Picture, Pixels

__all__ = [
    "GrayRange",
    "ImageLimits",
    "Needed",
    "Picture",
    "Pixels",
    "decode_image",
    "read_gray_range",
]
