from __future__ import annotations

import pytest

from models.transliteration.countries import country_of


@pytest.mark.parametrize(
    ("language", "country"),
    [
        ("de-AT", "AT"), ("de", "DE"), ("DE", "DE"), ("sr-Latn-BA", "BA"), ("en_GB", "GB"),
        ("und-ch", "CH"), ("xx", ""), ("", ""), ("zh-Hant", ""), ("-", ""), ("es-419", "ES"),
    ],
)  # fmt: skip
def test_the_country_of_a_tag(language: str, country: str) -> None:
    assert country_of(language) == country
