"""Read a checkpoint of Tacotron 2 from a folder: model.safetensors and config.json.

config.json may have `network` (sizes, as in `Tacotron2Config`), `audio` (as in `AudioFormat`) and
`characters`. What it leaves out is as published: 22,050 Hz, 80 bands, the sizes of the paper.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from models.base import ModelError
from models.synthesis.mel import AudioFormat
from models.synthesis.text import CHARACTERS
from models.vision.folder_config import read_json
from models.weights import refuse_pickle

if TYPE_CHECKING:
    from models.synthesis.tacotron2 import Tacotron2

_WEIGHTS = "model.safetensors"
T = TypeVar("T")


def load_voice(folder: Path) -> tuple[Tacotron2, AudioFormat, str]:
    """Return the network in evaluation mode, the format of its frames, and its characters.

    Raises:
        ModelError: a file is absent, or the two do not fit together.
    """
    from models.synthesis.tacotron2 import Tacotron2, Tacotron2Config

    config = read_json(folder / "config.json")
    tensors = _tensors(folder)
    audio = _part(folder, config, "audio", AudioFormat)
    audio.check()
    characters = config.get("characters", CHARACTERS)
    embedding = tensors.get("embedding.weight")
    if not isinstance(characters, str) or embedding is None or len(embedding) < len(characters):
        raise ModelError(
            f"{folder}: config.json has {len(str(characters))} characters, and model.safetensors "
            f"embeddings of {0 if embedding is None else len(embedding)}: expected a Tacotron 2 "
            "with an embedding for each"
        )
    stated = config.get("network", {})
    if not isinstance(stated, dict):
        raise ModelError(f"{folder / 'config.json'}: network: expected an object with sizes")
    defaults = {"num_symbols": len(embedding), "num_mels": audio.num_mels}
    sizes = _part(folder, {"network": {**defaults, **stated}}, "network", Tacotron2Config)
    try:
        network = Tacotron2(sizes)
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{folder / _WEIGHTS} does not have the tensors of this Tacotron 2: {reason}: give "
            "its sizes in `network` of config.json"
        ) from error
    return network.eval(), audio, characters


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from models.synthesis.tacotron2 import published_names

    path = folder / _WEIGHTS
    if not path.is_file():
        for other in sorted(folder.iterdir()) if folder.is_dir() else []:
            refuse_pickle(other)
        raise ModelError(
            f"no {path}: expected a folder with {_WEIGHTS} and config.json: make one with "
            "`penstock train synthesizer --out voice` and set path to voice/model, or use the "
            "model hibari"
        )
    try:
        return published_names(load_file(path))
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} can't be read: {error}") from error


def _part(folder: Path, config: dict[str, Any], name: str, kind: type[T]) -> T:
    try:
        return msgspec.convert(config.get(name, {}), kind)
    except msgspec.ValidationError as error:
        raise ModelError(f"{folder / 'config.json'}: {name}: {error}") from error
