"""Read names and return their likeliest transliterations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from models.transducer.beam import Beam, beam_search
from models.transducer.network import Transducer
from models.transliteration.alphabet import Alphabet
from models.transliteration.network import pad

#: Characters that one letter may give: `x` gives two (克斯), the country before the letters none.
_MAX_SYMBOLS = 3


class Candidate(NamedTuple):
    """One transliteration."""

    characters: str
    score: float
    """Its probability in [0, 1], summed over the alignments that the search saw."""


@torch.inference_mode()
def transliterate(
    network: Transducer, alphabet: Alphabet, names: Sequence[tuple[str, str]], *, width: int = 4
) -> list[list[Candidate]]:
    """Return the candidates of each (name, country), the likeliest first; at most `width`.

    A candidate without characters is left out, and if it is the likeliest, so are all others: then
    the name has no candidate.
    """
    letters, lengths = pad([alphabet.read(name, country) for name, country in names])
    device = network.projection.weight.device
    encoded = network.encoder(letters.to(device), lengths)
    start = Beam.start(network)
    beams = beam_search(
        network,
        network.project(encoded),
        lengths.tolist(),
        [start] * len(names),
        width=width,
        max_symbols=_MAX_SYMBOLS,
    )
    return [
        [
            Candidate(alphabet.write(h.symbols), math.exp(h.score))
            for h in beam.hypotheses
            if h.symbols and beam.hypotheses[0].symbols
        ]
        for beam in beams
    ]
