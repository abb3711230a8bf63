"""The layouts of detectors' outputs, one file a family; `choose.py` finds the layout of a file."""

from models.detection.layouts.base import IMAGENET_MEAN as IMAGENET_MEAN
from models.detection.layouts.base import IMAGENET_STD as IMAGENET_STD
from models.detection.layouts.base import InputSize as InputSize
from models.detection.layouts.base import InputStyle as InputStyle
from models.detection.layouts.base import Layout as Layout
from models.detection.layouts.base import Overlap as Overlap
from models.detection.layouts.base import Triple as Triple
from models.detection.layouts.choose import LAYOUTS as LAYOUTS
from models.detection.layouts.choose import Found as Found
from models.detection.layouts.choose import check_name as check_name
from models.detection.layouts.choose import find_layout as find_layout
from models.detection.layouts.facts import Facts as Facts
