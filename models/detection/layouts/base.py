"""What an output layout is: the input that its family expects, and how its outputs are read.

A layout recognizes its files by facts, never by one shape alone: the names, ranks and shapes of the
outputs, the file's metadata, and the values that the network gives for two made-up pictures.
`choose.py` asks all layouts, and takes none unless exactly one recognizes the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple, TypeAlias

from models.detection.boxes import Candidates, Floats
from models.detection.fitting import PADDING_GRAY, Fitting
from models.detection.layouts.facts import Facts

Triple: TypeAlias = tuple[float, float, float]

#: Mean and standard deviation of ImageNet's channels, of values from 0 to 1; torchvision's figures.
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_STD: Triple = (0.229, 0.224, 0.225)


class Overlap(Enum):
    """Who has dropped boxes that overlap a better one."""

    SUPPRESSED_HERE = "here"
    """Nobody yet: Penstock suppresses class by class."""
    DONE_IN_GRAPH = "in the graph"
    """The network, or a training that gives each object one box."""


@dataclass(frozen=True)
class InputStyle:
    """How a family of networks expects pictures; options of the detector override it."""

    fitting: Fitting = Fitting.LETTERBOX
    is_bgr: bool = False
    scale: float = 1 / 255
    """Factor for gray levels of 0 to 255."""
    mean: Triple = (0.0, 0.0, 0.0)
    """Subtracted after scaling, for each channel in the network's order."""
    std: Triple = (1.0, 1.0, 1.0)
    """Divided by after that."""
    padding_gray: int = PADDING_GRAY
    margins: dict[int, int] = field(default_factory=dict)
    """Input side -> pixels that the longest side of a picture stays below it, in all."""


class InputSize(NamedTuple):
    """Height and width of the network's input, pixels."""

    height: int
    width: int


#: Positions of the outputs that `Layout.read` takes, in its order.
Order: TypeAlias = tuple[int, ...]
Read: TypeAlias = Callable[[Sequence[Floats], InputSize], Candidates]


@dataclass(frozen=True)
class Layout:
    """One way to write detections into a network's outputs."""

    name: str
    """The value of the option `layout`."""
    title: str
    """The models that have it, for messages."""
    style: InputStyle
    score_threshold: float
    """The default score threshold, in [0, 1]."""
    overlap: Overlap
    arrange: Callable[[Facts], Order | None]
    """Which outputs `read` takes; None if their ranks and shapes don't allow this layout."""
    recognize: Callable[[Facts, Order], bool]
    """Whether names, metadata and values say that the outputs have this layout."""
    read: Read
    """Converts outputs of B pictures to candidates."""
    num_classes: Callable[[Facts, Order], int | None]
    """The number of classes, if the outputs tell it."""
    is_multi_label: bool = False
    """Whether a box may be several detections, one for each class over the threshold."""
