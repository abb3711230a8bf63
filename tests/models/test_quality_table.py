from __future__ import annotations

import pytest

from models.evaluation import Measure
from models.quality import Quality, read_quality
from models.quality_table import BEGIN, DOCUMENT, END, in_step, table


def test_the_document_is_in_step_with_the_committed_figures() -> None:
    text = DOCUMENT.read_text("utf-8")
    assert in_step(text, read_quality()) == text, "run python -m models.quality_table"


def test_figures_of_one_model_and_data_set_are_one_row() -> None:
    rows = [
        Measure(task="t", dataset="nab", model="robust_zscore", metric=name, value=value)
        for name, value in (("score", 39.81234), ("share", 0.00113))
    ]
    text = table(Quality(dates={"t": "2026-01-31"}, rows=rows))
    assert "| robust_zscore | nab | score; share | 39.81; 0.00113 | **seen**" in text
    assert text.startswith("Measured on 2026-01-31.\n")


def test_a_document_without_marks_is_refused() -> None:
    quality = Quality(dates={}, rows=[])
    for text in ("", BEGIN, f"{END}{BEGIN}"):
        with pytest.raises(ValueError, match="expected"):
            in_step(text, quality)
