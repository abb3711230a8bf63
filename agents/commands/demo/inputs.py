"""Choose the sources that feed each agent: packaged ones, or a folder of real data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from agents.commands.demo.picture_sources import DIGITS, SCENES
from agents.commands.produce.sources import Source, repeat, round_robin
from agents.commands.produce.sources.demo import DEMO_SOURCES
from agents.commands.produce.sources.real_data import detector_file, real_sources
from agents.commands.produce.sources.source import Kind
from schemas import Event

#: Events a second over all sources of a kind, as many as two busy cores can process.
PACKAGED_RATES: dict[Kind, float] = {
    "video": 9.0,
    "text": 20.0,
    "sensor": 50.0,
    "behavior": 250.0,
    "interaction": 80.0,
}
#: A folder holds about a hundred series. At fifty readings a second, each would get one every two
#: seconds: too few within a minute to learn what is normal.
REAL_RATES: dict[Kind, float] = {**PACKAGED_RATES, "sensor": 800.0}
#: Agent -> its source of pictures and how many a second: few, since they share the cores with all.
_PICTURES: dict[str, tuple[Source, float]] = {
    "classify_images": (DIGITS, 4.0),
    "segment_images": (SCENES, 1.0),
}
#: The default is for photographs of things, and has to be converted first.
_DIGIT_MODEL = {"name": "image_classifier", "options": {"path": "digits", "top_k": 3}}
#: Real photographs, but the shipped detector was trained on rendered traffic only.
_LEFT_OUT = ("photographs",)
#: The default threshold suits many series at once, where false alarms add up. This is one pipe: its
#: three outages have a z-score of 6 and more, its other readings stay below 3.
_WATER_FLOW_MODEL = {"name": "robust_zscore", "options": {"threshold": 2.2}}


@dataclass(frozen=True)
class Input:
    """The events of one kind, for one agent."""

    kind: Kind
    sources: tuple[Source, ...]
    rate: float
    """Events a second."""

    def __iter__(self) -> Iterator[Event]:
        """Yield one event of each source in turn, without end."""
        return round_robin(repeat(source.read) for source in self.sources)


@dataclass(frozen=True)
class Inputs:
    """The events of a run."""

    by_kind: dict[Kind, Input]
    models: dict[Kind, dict[str, Any]] = field(default_factory=dict)
    """`model:` of an agent's settings, where these events need another than the default."""
    pictures: dict[str, Input] = field(default_factory=dict)
    """Agent -> pictures that are not a camera's; of kind "video", as those are."""
    picture_models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def describe(self) -> list[str]:
        """Return a line for each source that says whether it is real or rendered."""
        return [s.describe() for source in self._all() for s in source.sources]

    def _all(self) -> list[Input]:
        return [*self.by_kind.values(), *self.pictures.values()]


def packaged_inputs() -> Inputs:
    """Return the data that installed packages carry; rendered data for the other kinds."""
    sources = [source for source in DEMO_SOURCES if source.name not in _LEFT_OUT]
    return Inputs(
        _grouped(sources, PACKAGED_RATES),
        {"sensor": _WATER_FLOW_MODEL},
        {agent: Input("video", (source,), rate) for agent, (source, rate) in _PICTURES.items()},
        {"classify_images": _DIGIT_MODEL},
    )


def folder_inputs(folder: Path, report: Callable[[str], None]) -> Inputs:
    """Return the real data in a folder; packaged sources for each missing kind.

    Args:
        folder: laid out as `agents.commands.produce.sources.real_data` describes.
        report: called with a line about each missing part and its replacement.

    Raises:
        SourceError: the folder does not exist, or holds no known data set.
    """
    real = _grouped(real_sources(folder, report), REAL_RATES)
    detector = detector_file(folder)
    if "video" in real and detector is None:
        # The shipped detector was trained on rendered traffic only.
        report(f"{folder}: no detector_fastestdet/*.onnx: its video is left out")
        del real["video"]
    packaged = packaged_inputs()
    for kind in packaged.by_kind.keys() - real.keys():
        report(f"{folder}: no data of kind {kind}: packaged sources feed its agent")
    models = {kind: model for kind, model in packaged.models.items() if kind not in real}
    if "video" in real and detector is not None:
        options = {"path": str(detector.resolve())}
        models["video"] = {"name": "onnx_detector", "options": options}
    return replace(packaged, by_kind={**packaged.by_kind, **real}, models=models)


def _grouped(sources: Iterable[Source], rates: dict[Kind, float]) -> dict[Kind, Input]:
    listed = list(sources)
    groups = {
        kind: tuple(source for source in listed if source.kind == kind) for kind in get_args(Kind)
    }
    return {kind: Input(kind, group, rates[kind]) for kind, group in groups.items() if group}
