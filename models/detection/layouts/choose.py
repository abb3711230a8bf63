"""Find the layout of a model file: named by the user, or recognized by exactly one layout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from models.detection.layouts import (
    d_fine,
    detr,
    end_to_end,
    fastestdet,
    rtdetr,
    rtdetr_ultralytics,
    ssd,
    yolo26,
    yolo_nas,
    yolov5,
    yolov8,
    yolox,
)
from models.detection.layouts.base import Layout, Order
from models.detection.layouts.facts import Facts
from models.detection.layouts.other_tasks import refuse_other_tasks

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        *(end_to_end.LAYOUT, fastestdet.LAYOUT),
        *(yolov5.LAYOUT, yolov8.LAYOUT, yolo26.LAYOUT, yolox.LAYOUT, yolox.DECODED),
        *(yolo_nas.LAYOUT, yolo_nas.BATCH, yolo_nas.FLAT),
        *(rtdetr.LAYOUT, rtdetr_ultralytics.LAYOUT, d_fine.LAYOUT, detr.LAYOUT),
        *(ssd.TENSORFLOW, ssd.TORCHVISION, ssd.ZOO),
    )
}
#: Names that people may expect for a layout that has another.
ALIASES = {"yolov10": "yolo26", "yolo11": "yolov8"}


@dataclass(frozen=True)
class Found:
    """The layout of a file, and which of its outputs it reads."""

    layout: Layout
    order: Order


def check_name(name: str) -> str:
    """Return the name of a layout, with aliases resolved.

    Raises:
        ValueError: no such layout.
    """
    name = ALIASES.get(name, name)
    if name not in LAYOUTS:
        raise ValueError(f"no layout {name!r}: expected one of {', '.join(LAYOUTS)}")
    return name


def find_layout(name: str | None, facts: Facts) -> Found:
    """Return the layout of that name, or without a name the one that recognizes the outputs.

    Raises:
        ValueError: no such layout; the named one does not fit the outputs; none or several
            recognize them; or the network is of another task.
    """
    refuse_other_tasks(facts)
    if name is not None:
        layout = LAYOUTS[check_name(name)]
        order = layout.arrange(facts)
        if order is None:
            raise ValueError(f"its outputs, {_describe(facts)}, can't be of layout {name}")
        return Found(layout, order)
    possible = [
        Found(layout, order)
        for layout in LAYOUTS.values()
        if (order := layout.arrange(facts)) is not None
    ]
    found = [f for f in possible if f.layout.recognize(facts, f.order)]
    if len(found) == 1:
        return found[0]
    raise ValueError(_explain(facts, found, possible))


def _explain(facts: Facts, found: list[Found], possible: list[Found]) -> str:
    outputs = f"its outputs, {_describe(facts)},"
    if facts.num_labels:
        outputs = f"{outputs} for {facts.num_labels} class names,"
    if found:
        names = _options(f.layout for f in found)
        return f"{outputs} can be read in several ways: set the option layout to {names}"
    if possible:
        names = _options(f.layout for f in possible)
        return (
            f"the values of {outputs} are those of no known layout: if you know what the model "
            f"is, set the option layout to {names}"
        )
    return (
        f"{outputs} fit no known layout ({', '.join(LAYOUTS)}): export it in one of them, or wrap "
        "it in a class (docs/bring-your-own.md)"
    )


def _options(layouts: Iterable[Layout]) -> str:
    return " or ".join(f"{layout.name} ({layout.title})" for layout in layouts)


def _describe(facts: Facts) -> str:
    pairs = zip(facts.names, facts.shapes, strict=True)
    return " and ".join(f"{name} {list(shape)}" for name, shape in pairs)
