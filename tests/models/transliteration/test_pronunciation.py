from __future__ import annotations

import pytest

from models.transliteration.pronunciation import fold, sounds_like
from tests.models.transliteration.small_places import require_readers


@pytest.mark.parametrize(
    ("name", "plain"), [("Łódź", "lodz"), ("Gießen", "giessen"), ("Århus", "arhus"), ("Bo", "bo")]
)
def test_marks_are_taken_off(name: str, plain: str) -> None:
    assert fold(name) == plain


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("Worcester", "伍斯特"),
        ("Düsseldorf", "杜塞尔多夫"),
        ("Weymouth", "韦茅斯"),
        ("Vyhon", "维贡"),
        ("Altensteig", "阿尔滕斯泰希"),
        ("Hoxie", "霍克西"),
    ],
)
def test_what_sounds_like_the_name_is_kept(name: str, characters: str) -> None:
    require_readers()
    assert sounds_like(name, characters)


@pytest.mark.parametrize(
    ("name", "characters"),
    [
        ("Oxford", "牛津"),  # "ox ford"
        ("Blackpool", "黑潭"),  # "black pool"
        ("Palembang", "巨港"),  # "big port"
        ("Dnipro", "牛"),
        ("Bo", "博洛尼亚"),
        ("Llanfairpwllgwyngyll", "兰韦"),
        ("", "巴"),
        ("Bonn", ""),
    ],
)
def test_translations_and_other_names_are_not(name: str, characters: str) -> None:
    require_readers()
    assert not sounds_like(name, characters)
