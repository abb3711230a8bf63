"""Keep what users did with what they were recommended, and plot the hit rate over time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from schemas import Interaction, Recommendation

#: Users whose last recommendation is kept; beyond, the one seen least recently is left out.
MAX_USERS = 10_000
MAX_JUDGED = 100_000
#: Interactions that a point of the plot is about.
_WINDOW = 300
#: Fewer judged interactions show nothing.
_LEAST_JUDGED = 50

_MODEL, _POPULAR = "#0072b2", "#999999"
_SIZE_INCHES = (9.0, 3.6)
_DOTS_PER_INCH = 110


@dataclass
class _User:
    """What one user was shown last, and has had."""

    shown: frozenset[str]
    popular: frozenset[str]
    had: set[str]


class RecommendationLog:
    """Judges each interaction by what its user was shown at the one before.

    The rival is what is popular: the items with most interactions so far that the user has not had,
    as many as the model recommends.
    """

    def __init__(self) -> None:
        self.hits: list[tuple[bool, bool]] = []
        """Of each judged interaction: whether its item was recommended, and whether popular."""
        self._users: OrderedDict[str, _User] = OrderedDict()
        self._counts: Counter[str] = Counter()

    def add(self, event: Interaction, answer: Recommendation) -> None:
        """Judge an interaction, and keep what its user is shown next."""
        user = self._users.pop(event.source_id, None)
        if user is not None and event.item and len(self.hits) < MAX_JUDGED:
            self.hits.append((event.item in user.shown, event.item in user.popular))
        had = user.had if user is not None else set()
        if event.item:
            had.add(event.item)
            self._counts[event.item] += 1
        shown = frozenset(item.item for item in answer.items)
        self._users[event.source_id] = _User(shown, self._popular(len(answer.items), had), had)
        if len(self._users) > MAX_USERS:
            self._users.popitem(last=False)

    def _popular(self, count: int, had: set[str]) -> frozenset[str]:
        ranked = (item for item, _ in self._counts.most_common() if item not in had)
        return frozenset(item for item, _ in zip(ranked, range(count), strict=False))

    @property
    def has_story(self) -> bool:
        """Whether enough interactions were judged for a plot."""
        return len(self.hits) >= _LEAST_JUDGED

    def shares(self) -> tuple[float, float]:
        """Return the hit rates of the model and of what is popular; 0 without interactions."""
        if not self.hits:
            return 0.0, 0.0
        model, popular = np.array(self.hits, np.float64).mean(axis=0).tolist()
        return model, popular


def plot_recommendations(log: RecommendationLog, path: Path) -> None:
    """Write a PNG with the hit rates of the model and of what is popular; `has_story` is true."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)  # without pyplot, whose figures are global
    axis = figure.subplots()
    hits, (model, popular) = np.array(log.hits, np.float64), log.shares()
    window = min(_WINDOW, len(hits))
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), hits]), axis=0)
    rates = (sums[window:] - sums[:-window]) / window
    at = np.arange(window, len(hits) + 1)
    axis.plot(at, rates[:, 0], color=_MODEL, label=f"recommended: {model:.0%}")
    axis.plot(at, rates[:, 1], color=_POPULAR, label=f"most popular: {popular:.0%}")
    axis.set_title(
        f"Next items that were shown, of the last {window:,} interactions", loc="left", fontsize=12
    )
    axis.set_xlabel("number of the interaction")
    axis.set_ylabel("hit rate")
    axis.set_ylim(0.0, max(float(rates.max()) * 1.15, 0.05))
    axis.margins(x=0.01)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="upper left")
    figure.savefig(path, dpi=_DOTS_PER_INCH)
