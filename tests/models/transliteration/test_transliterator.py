from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.base import ModelError
from models.transliteration.transliterator import Transliterator
from schemas import InputError, TextMessage, Transliteration
from tests.models.transliteration.small_places import write_transliterator


def loaded(folder: Path, **options: Any) -> Transliterator:
    model = Transliterator(str(write_transliterator(folder)), **options)
    model.load()
    return model


def answer(model: Transliterator, text: str, language: str = "") -> Transliteration:
    (found,) = model.predict_batch([TextMessage(text=text, language=language)])
    assert isinstance(found, Transliteration)
    return found


def test_the_country_is_that_of_the_language_then_that_of_the_option(tmp_path: Path) -> None:
    model = loaded(tmp_path, country="us")
    assert answer(model, "Badeki", "de").country == "DE"
    assert answer(model, "Badeki").country == "US"
    assert answer(model, "Badeki", "ja-JP").country == ""  # not one that the network knows
    assert answer(loaded(tmp_path), "Badeki").country == ""


def test_alternatives_are_other_ways_and_less_likely(tmp_path: Path) -> None:
    found = answer(loaded(tmp_path, top_k=2, beam=6), "Badeki")
    scores = [found.score, *(a.score for a in found.alternatives)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert len({found.text, *(a.text for a in found.alternatives)}) == 3
    assert answer(loaded(tmp_path, top_k=0), "Badeki").alternatives == []


def test_a_long_name_is_cut_and_says_so(tmp_path: Path) -> None:
    model = loaded(tmp_path, max_letters=8)
    long = answer(model, "badekilomani")
    assert long.is_truncated
    short = answer(model, "badekilo")
    assert not short.is_truncated
    assert short.text == long.text
    assert answer(model, "b" + " " * 90_000 + "adekilo").is_truncated  # nine with the blank
    assert not answer(model, "b a d" + "-" * 3).is_truncated


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Москва", "CYRILLIC CAPITAL LETTER EM"),
        ("Paris 巴黎", "CJK UNIFIED IDEOGRAPH"),
        ("1234 !", "no letter"),
        ("\u0301\u0301", "no letter"),
        ("💶", "no letter"),
        ("a\udfffb", "U\\+DFFF"),
    ],
)
def test_what_is_no_latin_name_is_refused_with_a_reason(
    tmp_path: Path, text: str, words: str
) -> None:
    model = loaded(tmp_path)
    first, refused, last = model.predict_batch(
        [TextMessage(text="Bade"), TextMessage(text=text), TextMessage(text="Bade")]
    )
    assert isinstance(refused, InputError)
    with pytest.raises(InputError, match=words):
        raise refused
    assert isinstance(first, Transliteration)
    assert first == last


def test_a_name_that_gives_no_character_is_refused(tmp_path: Path) -> None:
    import torch

    model = loaded(tmp_path)
    assert model._network is not None
    with torch.no_grad():
        model._network.joiner.output.bias[0] = 1000
    (found,) = model.predict_batch([TextMessage(text="Bade")])
    assert isinstance(found, InputError)
    assert "no characters are likely for the name 'bade'" in str(found)


@pytest.mark.parametrize(
    "options", [{"top_k": -1}, {"beam": 0}, {"beam": 101}, {"max_letters": 7}, {"top_k": True}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"option {next(iter(options))}"):
        Transliterator(**options)


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="absent"):
        Transliterator(str(tmp_path / "absent")).load()
