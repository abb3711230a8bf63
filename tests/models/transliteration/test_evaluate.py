from __future__ import annotations

from pathlib import Path

import pytest

from models.base import ModelError
from models.evaluation import Measure
from models.transliteration.evaluate import _known_beginnings, _spell, evaluate_on
from models.transliteration.place_names import PlaceName, find_places
from models.transliteration.transliterator import DEFAULT_WEIGHTS
from tests.conftest import skip_or_fail
from tests.models.transliteration.small_places import require_readers


def test_the_table_spells_by_the_longest_group_it_knows() -> None:
    places = [PlaceName(1, "Bade", "", ("巴德",)), PlaceName(2, "Bado", "", ("巴多",))]
    table = _known_beginnings(places)
    assert table == {"ba": "巴", "de": "德", "do": "多"}
    assert _spell("dobax", table) == "多巴"


@pytest.mark.slow
def test_the_shipped_weights_write_names_that_they_have_not_seen(tmp_path: Path) -> None:
    require_readers()
    if not (DEFAULT_WEIGHTS / "model.safetensors").is_file():
        pytest.skip(f"no weights in {DEFAULT_WEIGHTS}: train them, docs/transliteration.md")
    try:
        find_places()
    except ModelError as error:
        skip_or_fail(str(error))
    rows = [row for row in evaluate_on(tmp_path, limit=200) if isinstance(row, Measure)]
    model = {row.metric: row.value for row in rows[:4] if row.model == "transliterator"}
    table = {row.metric: row.value for row in rows if row.model == "table of letter groups"}
    assert model["exact match"] > table["exact match"] + 0.1
    assert model["character F1"] > table["character F1"]
    assert {row.task for row in rows} == {"transliteration"}
