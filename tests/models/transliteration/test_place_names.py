from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.base import ModelError
from models.transliteration.place_names import (
    PlaceName,
    find_places,
    read_places,
    split_places,
)
from models.transliteration.pronunciation import fold
from tests.conftest import skip_or_fail
from tests.models.transliteration.small_places import place, require_readers, write_places


def read(tmp_path: Path, *rows: dict[str, object], clean: bool = True) -> list[PlaceName]:
    require_readers()
    path = tmp_path / "places.json"
    path.write_text(json.dumps({str(row["geonameid"]): row for row in rows}), encoding="utf-8")
    return read_places(path, clean=clean)


def test_traditional_characters_become_simplified_and_kinds_of_place_fall_off(
    tmp_path: Path,
) -> None:
    rows = read(
        tmp_path,
        place(1, "Bonn", "DE", "Bonna", "波恩", "Бонн"),
        place(2, "Glenrothes", "GB", "格倫羅西斯", "格伦罗西斯"),
        place(3, "Kwekwe", "ZW", "奎奎市"),
    )
    assert rows == [
        PlaceName(1, "Bonn", "DE", ("波恩",)),
        PlaceName(2, "Glenrothes", "GB", ("格伦罗西斯",)),
        PlaceName(3, "Kwekwe", "ZW", ("奎奎",)),
    ]


def test_what_is_no_transliteration_is_left_out(tmp_path: Path) -> None:
    given = (
        place(1, "Oxford", "GB", "牛津"),
        place(2, "Beijing", "CN", "北京"),
        place(3, "Москва", "RU", "莫斯科"),
        place(4, "Bonn", "DE", "Bonna"),
        place(5, "A B C D E", "US", "阿"),
        place(6, "Bonn2", "DE", "波恩"),
    )
    assert read(tmp_path, *given) == []
    assert [row.name for row in read(tmp_path, *given, clean=False)] == ["Oxford"]


def test_the_split_is_by_place_and_no_held_out_name_is_trained_on(tmp_path: Path) -> None:
    require_readers()
    places = read_places(write_places(tmp_path / "places.json"))
    assert len(places) == 400
    split = split_places(places, 30, 10)
    assert (len(split.test), len(split.validation)) == (30, 10)
    spelled = [{fold(p.name) for p in part} for part in (split.train, split.validation, split.test)]
    assert not spelled[0] & (spelled[1] | spelled[2])
    assert not spelled[1] & spelled[2]
    turned = split_places(places[::-1], 30, 10)
    assert turned == split
    # Names that occur twice are whole in one part: 40 names are more than 40 places.
    assert len(split.train) < 360


def test_names_of_several_words_are_trained_on_and_not_measured_with() -> None:
    places = [
        PlaceName(n, "San Ma" if n % 2 else f"Ba{'ab' * n}", "US", ("巴",)) for n in range(40)
    ]
    split = split_places(places, 10, 5)
    assert {p.name for p in split.train} >= {"San Ma"}
    assert all(p.is_one_word for p in (*split.test, *split.validation))


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    require_readers()
    (tmp_path / "places.json").write_text("no JSON")
    with pytest.raises(ModelError, match=r"can't read .*places\.json"):
        read_places(tmp_path / "places.json")


def test_the_installed_places_have_enough_names() -> None:
    require_readers()
    try:
        path = find_places()
    except ModelError as error:
        skip_or_fail(str(error))
    places = read_places(path)
    assert sum(p.is_one_word for p in places) > 20_000
    by_name = {(p.name, p.country): p.characters for p in places}
    assert by_name["Worcester", "GB"][0] == "伍斯特"
