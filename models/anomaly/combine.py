"""Combine the surprises of several detectors of one reading into one number.

A surprise is -log10 of a probability; -1 stands for a detector that does not score the reading.
Detectors of the same values are not independent, so what is combined is a raw score, and
`models/anomaly/calibration.py` learns how it is distributed.

Sources: Fisher, 1925, "Statistical Methods for Research Workers", section 21.1; Wilson, 2019, "The
harmonic mean p-value for combining dependent tests", PNAS 116(4); Aggarwal and Sathe, 2015,
"Theoretical Foundations and Algorithms for Outlier Ensembles", SIGKDD Explorations 17(1) (mean and
maximum).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LN10 = float(np.log(10.0))
#: Larger surprises count as this: 10 to its power is a float.
_LARGEST = 300.0


def _mean(surprise: Floats, scored: Bools) -> Floats:
    mean: Floats = np.where(scored, surprise, 0.0).sum(axis=0) / np.maximum(scored.sum(axis=0), 1)
    return mean


def _max(surprise: Floats, scored: Bools) -> Floats:
    return np.asarray(np.where(scored, surprise, 0.0).max(axis=0))


def _harmonic(surprise: Floats, scored: Bools) -> Floats:
    inverse = np.where(scored, 10.0 ** np.minimum(surprise, _LARGEST), 0.0).sum(axis=0)
    return np.asarray(np.log10(np.maximum(inverse / np.maximum(scored.sum(axis=0), 1), 1.0)))


def _fisher(surprise: Floats, scored: Bools) -> Floats:
    total = np.where(scored, surprise, 0.0).sum(axis=0) * _LN10
    # The tail of chi squared with 2 k degrees of freedom at 2 x.
    tail = gammaincc(np.maximum(scored.sum(axis=0), 1), total)
    return np.asarray(-np.log10(np.maximum(tail, 10.0**-_LARGEST)))


#: Name in the pipeline file -> raw score (n,) of surprises (members, n), where `scored`.
RULES: dict[str, Callable[[Floats, Bools], Floats]] = {
    "mean": _mean,
    "max": _max,
    "harmonic": _harmonic,
    "fisher": _fisher,
}


def combined(rule: str, surprise: Floats) -> tuple[Floats, Floats]:
    """Return raw scores and bounds (n,) of surprises (members, n).

    Args:
        rule: a name of `RULES`.
        surprise: -1 where a member does not score; such members do not count.

    Returns:
        The raw scores, NaN where no member scores, and the largest surprise of each for any source:
        that of the most surprised member, or for `fisher` that of independent members.
    """
    scored = surprise >= 0
    raw = RULES[rule](surprise, scored)
    bound = raw if rule == "fisher" else _max(surprise, scored)
    return np.where(scored.any(axis=0), raw, np.nan), bound
