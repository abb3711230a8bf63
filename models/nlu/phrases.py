"""Compose customer-service messages with known intents from templates.

Training and test texts come from different templates, so that a test measures whether meanings are
recognized, not templates. Both use the same words in the slots.
"""

from __future__ import annotations

import functools
import json
import random
import re
from pathlib import Path
from typing import Any, Literal

Split = Literal["train", "test"]

_TEMPLATES = Path(__file__).parent / "phrases.json"
_SLOT = re.compile(r"\{(\w+)\}")

#: The most texts for each intent; short templates give fewer.
TEXTS_PER_INTENT = 40
_MAX_TRIES = 20


@functools.cache
def _templates() -> dict[str, Any]:
    templates: dict[str, Any] = json.loads(_TEMPLATES.read_text(encoding="utf-8"))
    return templates


def intents() -> list[str]:
    """Return the 12 intents and `oos`, sorted."""
    return sorted(_templates()["train"])


def generate(seed: int, split: Split) -> list[tuple[str, str]]:
    """Compose messages.

    Args:
        seed: the same seed gives the same list.
        split: `train` or `test`; no template is in both.

    Returns:
        About 500 pairs (text, intent), no text twice, in random order.
    """
    chance = random.Random(f"{seed} {split}")
    pairs = [
        (text, intent)
        for intent, templates in sorted(_templates()[split].items())
        for text in _compose(templates, chance)
    ]
    chance.shuffle(pairs)
    return pairs


def _compose(templates: list[str], chance: random.Random) -> list[str]:
    """Return distinct texts, using the templates in turn."""
    texts: dict[str, None] = {}
    for turn in range(TEXTS_PER_INTENT * _MAX_TRIES):
        if len(texts) == TEXTS_PER_INTENT:
            break
        texts[_fill(templates[turn % len(templates)], chance)] = None
    return list(texts)


def _fill(template: str, chance: random.Random) -> str:
    """Fill the slots, and vary the opening, the ending and the first letter."""
    words = _templates()
    text: str = _SLOT.sub(lambda slot: chance.choice(words["slots"][slot[1]]), template)
    text = chance.choice(words["openings"]) + text + chance.choice(words["endings"])
    return text[0].upper() + text[1:] if chance.random() < 0.5 else text
