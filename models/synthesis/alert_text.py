"""The registered model `alert_text`: anomalies in, a sentence to speak about each out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from models.base import Model
from schemas import AlertText, AnomalyReport

_FIELD = re.compile(r"\{(\w*)\}")
_FIELDS = ("source", "channel", "score", "expected")
_MAX_TEMPLATE, _MAX_NAME = 1000, 100
#: Between the words of a name such as "pump-7" or "flow_l_min".
_JOINTS = re.compile(r"[\s_./:-]+")
TEMPLATE = "Warning, {channel} of {source} is not normal."


class AlertWriter(Model[AnomalyReport, AlertText]):
    """Fills a template with what is known of an anomaly. Stateless.

    Its results are read by the agent `speak_text` as they are: they have `text`, and the source and
    the time of the reading.
    """

    name = "alert_text"
    version = "1"
    event_type = AnomalyReport
    result_type = AlertText

    def __init__(self, template: str = TEMPLATE, min_score: float = 0.0) -> None:
        """Check the options.

        Args:
            template: text with any of {source}, {channel}, {score} and {expected}, at most 1000
                characters.
            min_score: anomalies below this score are not worded, in [0, 1].
        """
        unknown = sorted({name for name in _FIELD.findall(template)} - set(_FIELDS))
        if unknown:
            raise ValueError(
                f"template: {{{unknown[0]}}} is unknown: expected "
                + ", ".join(f"{{{name}}}" for name in _FIELDS)
            )
        if not 0 < len(template) <= _MAX_TEMPLATE:
            raise ValueError(f"template has {len(template)} characters: expected 1 to 1000")
        if not 0 <= min_score <= 1:
            raise ValueError(f"min_score is {min_score}: expected 0 to 1")
        self._template, self._min_score = template, min_score

    def predict_batch(self, batch: Sequence[AnomalyReport]) -> list[AlertText | None]:
        """Return the words for each of B anomalies, None for readings that are none."""
        return [
            AlertText(text=self._text(report))
            if report.is_anomaly and report.score >= self._min_score
            else None
            for report in batch
        ]

    def _text(self, report: AnomalyReport) -> str:
        expected = report.expected
        values = {
            "source": _spoken_name(report.source_id) or "a source",
            "channel": _spoken_name(report.channel) or "a reading",
            "score": f"{report.score:.2f}",
            "expected": "unknown" if expected is None else f"{expected:.3g}",
        }
        return _FIELD.sub(lambda match: values[match[1]], self._template)


def _spoken_name(name: str) -> str:
    """Return the words of a name, at most 100 characters."""
    return _JOINTS.sub(" ", name[:_MAX_NAME]).strip()
