"""The options of a detector that say how its network expects pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.detection.fitting import Fitting
from models.detection.layouts import InputStyle, Triple


@dataclass(frozen=True)
class StyleOptions:
    """What a user states about the input; None: the layout decides.

    Raises:
        ValueError: a value is out of range.
    """

    letterbox: bool | None
    bgr: bool | None
    scale: float | None
    mean: Sequence[float] | None
    std: Sequence[float] | None

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and (isinstance(values, str) or len(values) != 3):
                raise ValueError(f"{name} is {values!r}: expected three numbers, one a channel")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise ValueError(f"std is {list(self.std)}: expected numbers over 0")
        if self.scale is not None and not self.scale > 0:
            raise ValueError(f"input_scale is {self.scale}: expected a number over 0")

    def apply(self, default: InputStyle, takes_bytes: bool) -> InputStyle:
        """Return the layout's style with these options.

        A network that takes bytes scales them in its graph: no scale, mean or deviation is a
        default for it.
        """
        if takes_bytes:
            none = InputStyle()
            default = replace(default, scale=1.0, mean=none.mean, std=none.std)
        fitting = default.fitting
        if self.letterbox is False:
            fitting = Fitting.STRETCH
        elif self.letterbox and fitting is Fitting.STRETCH:
            fitting = Fitting.LETTERBOX
        return replace(
            default,
            fitting=fitting,
            is_bgr=default.is_bgr if self.bgr is None else self.bgr,
            scale=default.scale if self.scale is None else self.scale,
            mean=default.mean if self.mean is None else _triple(self.mean),
            std=default.std if self.std is None else _triple(self.std),
        )


def _triple(values: Sequence[float]) -> Triple:
    return values[0], values[1], values[2]


def check_size(size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return height and width of an option that is one side, or both.

    Raises:
        ValueError: not one or two whole numbers over 0.
    """
    if size is None:
        return None
    sides = [size, size] if isinstance(size, int) else list(size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"input_size is {size!r}: expected a side, or height and width, over 0")
    return sides[0], sides[1]
