"""The classes of object in rendered traffic: how they look, how big they are, how fast they go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from models.detection.sprites import (
    Pen,
    draw_bicycle,
    draw_bus,
    draw_car,
    draw_person,
    draw_truck,
)

Draw: TypeAlias = Callable[[Pen, np.random.Generator, float], None]


@dataclass(frozen=True)
class Kind:
    """One class of object: its name, how it is drawn, its size and pace in the world."""

    label: str
    draw: Draw
    length_m: tuple[float, float]
    """Shortest and longest, meters."""
    height_m: tuple[float, float]
    """Lowest and highest, meters."""
    speed_m_s: tuple[float, float]
    """Slowest and fastest, meters a second."""
    is_vehicle: bool
    """Whether it drives in the lanes; otherwise it keeps to the sidewalks and road edges."""


#: In the order of class ids.
KINDS: tuple[Kind, ...] = (
    Kind("car", draw_car, (3.8, 4.9), (1.35, 1.75), (6.0, 14.0), True),
    Kind("truck", draw_truck, (6.0, 9.5), (2.6, 3.6), (5.0, 11.0), True),
    Kind("bus", draw_bus, (9.0, 12.0), (2.8, 3.3), (5.0, 10.0), True),
    Kind("person", draw_person, (0.55, 0.8), (1.5, 1.95), (0.8, 1.8), False),
    Kind("bicycle", draw_bicycle, (1.6, 1.85), (1.6, 1.85), (3.0, 6.0), False),
)
