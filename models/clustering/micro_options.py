"""The options that all models of micro-clusters have, stated and checked once.

A model names its own options and takes these as keywords; `has_shared_options` lists both in the
class's signature, which the registry, `penstock models` and the docs read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, TypedDict, TypeVar

from models.clustering.feature_space import SCALES, Scale
from models.options import check_option

M = TypeVar("M", bound=type[Any])


class SharedOptions(TypedDict, total=False):
    """The keywords of a model's `__init__` beside its own options."""

    features: list[str] | None
    half_life_events: float
    scale: Scale
    log: bool
    max_micro_clusters: int
    max_features: int
    publish_every: int
    learn_every: int


@dataclass(frozen=True)
class MicroOptions:
    """The options, with their defaults.

    Raises:
        ValueError: one is not allowed; the message names it.
    """

    features: list[str] | None = None
    """Names of features to cluster by; None: those that events have, up to `max_features`, as they
    come; sorted within a step."""
    half_life_events: float = 5000.0
    """Events of this partition after which an event's weight halves, >= 1; the scale forgets ten
    times slower."""
    scale: Scale = "range"
    """`range`, `deviation` or `none`, by what was seen so far."""
    log: bool = True
    """Take sign(x) * log(1 + |x|) of every value first."""
    max_micro_clusters: int = 500
    """2 to 4096; above, the lightest are evicted and counted, or as the model says."""
    max_features: int = 64
    """The most features, 1 to 1024."""
    publish_every: int = 16
    """Learning steps between updates, >= 1."""
    learn_every: int = 128
    """Offsets in a learning step, >= 1."""

    def __post_init__(self) -> None:
        """Check the options of the pipeline file."""
        check_option("max_features", self.max_features, 1, 1024)
        check_option("half_life_events", self.half_life_events, 1)
        check_option("max_micro_clusters", self.max_micro_clusters, 2, 4096)
        check_option("publish_every", self.publish_every, 1)
        check_option("learn_every", self.learn_every, 1)
        if self.scale not in SCALES:
            raise ValueError(f"option scale is {self.scale!r}: expected one of {', '.join(SCALES)}")
        if not isinstance(self.log, bool):
            raise ValueError(f"option log is {self.log!r}: expected true or false")
        if self.features is not None:
            count = len(set(self.features))
            check_option("features (their number)", count, 1, self.max_features)


def has_shared_options(**defaults: Any) -> Callable[[M], M]:
    """Return a decorator of a model's class: it lists the shared options behind the model's own.

    Args:
        **defaults: of shared options that the model has by another default; kept as
            `shared_defaults` of the class.
    """

    def decorate(cls: M) -> M:
        own = [
            parameter
            for name, parameter in inspect.signature(
                cls.__init__, eval_str=False
            ).parameters.items()
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        ]
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(field.name, field.default),
                annotation=field.type,
            )
            for field in fields(MicroOptions)
        ]
        cls.shared_defaults = defaults
        cls.__signature__ = inspect.Signature([*own, *shared])
        return cls

    return decorate
