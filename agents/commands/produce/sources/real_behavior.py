"""Behavior events from public data sets; labels never become features."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path

from agents.commands.produce.sources.rows import Row, read_rows
from schemas import BehaviorEvent

_SHOP_FEATURES = (
    "Administrative",
    "Administrative_Duration",
    "Informational",
    "Informational_Duration",
    "ProductRelated",
    "ProductRelated_Duration",
    "BounceRates",
    "ExitRates",
    "PageValues",
    "SpecialDay",
)
#: Seconds and money over several orders of magnitude: without a logarithm, one session would
#: outweigh all others.
_SHOP_HEAVY_TAILED = frozenset(
    {
        "Administrative_Duration",
        "Informational_Duration",
        "ProductRelated_Duration",
        "PageValues",
    }
)

#: The 41 columns of KDD Cup 1999 and the class, in the file's order (UCI, kddcup.names).
_KDD_COLUMNS = (
    "duration protocol_type service flag src_bytes dst_bytes land wrong_fragment urgent hot "
    "num_failed_logins logged_in num_compromised root_shell su_attempted num_root "
    "num_file_creations num_shells num_access_files num_outbound_cmds is_host_login "
    "is_guest_login count srv_count serror_rate srv_serror_rate rerror_rate srv_rerror_rate "
    "same_srv_rate diff_srv_rate srv_diff_host_rate dst_host_count dst_host_srv_count "
    "dst_host_same_srv_rate dst_host_diff_srv_rate dst_host_same_src_port_rate "
    "dst_host_srv_diff_host_rate dst_host_serror_rate dst_host_srv_serror_rate "
    "dst_host_rerror_rate dst_host_srv_rerror_rate class"
).split()
_KDD_CODES = frozenset({"protocol_type", "service", "flag", "class"})
_KDD_FEATURES = tuple(name for name in _KDD_COLUMNS if name not in _KDD_CODES)
#: Bytes range from 0 to 10^9 and durations to 58,329 s.
_KDD_HEAVY_TAILED = frozenset({"duration", "src_bytes", "dst_bytes"})


def shop_sessions(folder: Path) -> Iterator[BehaviorEvent]:
    """Yield web shop sessions: pages, seconds (as log(1 + s)) and rates; the purchase is left out.

    Sessions have no visitor, so the source id is the region.
    """
    for path in sorted(folder.glob("*.csv.gz")):
        for _, row in read_rows(path, delimiter=";"):
            yield BehaviorEvent(
                source_id=f"region-{row['Region']}",
                action="visit",
                features=_features(row, _SHOP_FEATURES, _SHOP_HEAVY_TAILED),
            )


def connections(folder: Path) -> Iterator[BehaviorEvent]:
    """Yield network connections: 38 numbers, bytes and seconds as log(1 + x); no classes.

    Records have no host, so the source id is the service (http, smtp ...).
    """
    for path in sorted(folder.glob("*.csv.gz")):
        for _, row in read_rows(path, delimiter=",", names=_KDD_COLUMNS):
            yield BehaviorEvent(
                source_id=row["service"],
                action="connect",
                features=_features(row, _KDD_FEATURES, _KDD_HEAVY_TAILED),
            )


def _features(row: Row, names: Collection[str], heavy_tailed: Collection[str]) -> dict[str, float]:
    return {
        (f"log_{name}" if name in heavy_tailed else name): (
            math.log1p(float(row[name])) if name in heavy_tailed else float(row[name])
        )
        for name in names
    }
