"""Which sources feed which agent: packaged ones, or a folder of real data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from agents.commands.produce.sources import Source, repeat, round_robin
from agents.commands.produce.sources.demo import DEMO_SOURCES
from agents.commands.produce.sources.real_data import detector_file, real_sources
from agents.commands.produce.sources.source import Kind
from schemas import Event

#: Events a second, over all sources of a kind: what two busy cores take beside everything else.
PACKAGED_RATES: dict[Kind, float] = {"video": 9.0, "text": 20.0, "sensor": 50.0, "behavior": 250.0}
#: A folder holds about a hundred series: at fifty readings a second each would get one every two
#: seconds, too few within a minute to know what is normal.
REAL_RATES: dict[Kind, float] = {**PACKAGED_RATES, "sensor": 800.0}
#: Real, but the shipped detector knows rendered traffic alone: what it finds there is not true.
_LEFT_OUT = ("photographs",)
#: The usual cut suits many series at once, where false alarms add up. This is one pipe, whose
#: three outages have a z of 6 and more, and whose other readings stay below 3.
_WATER_FLOW_MODEL = {"name": "robust_zscore", "options": {"threshold": 5.0}}


@dataclass(frozen=True)
class Input:
    """What feeds the agent of one kind."""

    kind: Kind
    sources: tuple[Source, ...]
    rate: float
    """Events a second."""

    def __iter__(self) -> Iterator[Event]:
        """Yield one event of each source in turn, for ever."""
        return round_robin(repeat(source.read) for source in self.sources)


@dataclass(frozen=True)
class Inputs:
    """What feeds the whole run."""

    by_kind: dict[Kind, Input]
    models: dict[Kind, dict[str, Any]] = field(default_factory=dict)
    """`model:` of an agent's settings, where these events ask for another than the usual one."""

    def describe(self) -> list[str]:
        """Return a line for each source that says whether it is real or rendered."""
        return [s.describe() for fed in self.by_kind.values() for s in fed.sources]


def packaged_inputs() -> Inputs:
    """Return what packages carry, and what is rendered where they carry nothing."""
    sources = [source for source in DEMO_SOURCES if source.name not in _LEFT_OUT]
    return Inputs(_grouped(sources, PACKAGED_RATES), {"sensor": _WATER_FLOW_MODEL})


def folder_inputs(folder: Path, say: Callable[[str], None]) -> Inputs:
    """Return what a folder of real data holds, packaged sources in the place of a missing kind.

    Args:
        folder: as `agents.commands.produce.sources.real_data` describes it.
        say: told of each part that is missing and of what takes its place.

    Raises:
        SourceError: there is no such folder, or no data set is in it.
    """
    found = _grouped(real_sources(folder, say), REAL_RATES)
    detector = detector_file(folder)
    if "video" in found and detector is None:
        # The shipped detector knows rendered traffic alone.
        say(f"{folder}: no detector_fastestdet/*.onnx: its video is left out")
        del found["video"]
    packaged = packaged_inputs()
    for kind in packaged.by_kind.keys() - found.keys():
        say(f"{folder}: nothing to use of kind {kind}: the packaged sources feed its agent")
    models = {kind: model for kind, model in packaged.models.items() if kind not in found}
    if "video" in found and detector is not None:
        options = {"path": str(detector.resolve())}
        models["video"] = {"name": "onnx_detector", "options": options}
    return Inputs({**packaged.by_kind, **found}, models)


def _grouped(sources: Iterable[Source], rates: dict[Kind, float]) -> dict[Kind, Input]:
    listed = list(sources)
    groups = {
        kind: tuple(source for source in listed if source.kind == kind) for kind in get_args(Kind)
    }
    return {kind: Input(kind, group, rates[kind]) for kind, group in groups.items() if group}
