"""A transliterator's files: `config.json` and `model.safetensors` in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from models.base import ModelError
from models.transliteration.alphabet import Alphabet

if TYPE_CHECKING:
    from models.transducer.network import Transducer
    from models.transliteration.network import TransliteratorShape

_WEIGHTS = "model.safetensors"


def describe(alphabet: Alphabet, shape: TransliteratorShape) -> dict[str, Any]:
    """Return the fields of config.json that `load` reads."""
    return {"alphabet": msgspec.to_builtins(alphabet), "shape": msgspec.to_builtins(shape)}


def save_weights(folder: Path, network: Transducer) -> None:
    """Write the network's weights as half-precision numbers; config.json is written apart."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.detach().half().contiguous() for k, v in network.state_dict().items()}
    save_file(weights, folder / _WEIGHTS)


def load(folder: Path) -> tuple[Alphabet, Transducer]:
    """Return the alphabet and the network, in single precision and eval mode.

    Raises:
        ModelError: a file is absent, damaged, or of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.transliteration.network import TransliteratorShape, make_network

    config = folder / "config.json"
    try:
        fields = json.loads(config.read_text("utf-8"))
        alphabet = msgspec.convert(fields["alphabet"], Alphabet)
        shape = msgspec.convert(fields["shape"], TransliteratorShape)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{config}: {error!r}: expected what `penstock train transliterator` writes"
        ) from error
    network = make_network(alphabet, shape)
    try:
        weights = load_file(folder / _WEIGHTS)
        network.load_state_dict({name: value.float() for name, value in weights.items()})
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder / _WEIGHTS}: not weights of this network: {error}") from error
    return alphabet, network.eval()
