"""Write a tiny Tacotron 2 with random weights, whose steps are long: it speaks in few of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from models.synthesis.mel import AudioFormat
from models.synthesis.text import CHARACTERS

#: A step of two frames of 64 ms: the limit of a text of 60 symbols is 78 steps.
AUDIO = AudioFormat(
    sample_rate=1000, fft_size=256, window_size=256, hop_size=64, num_mels=8, max_hz=500.0
)


def tiny_sizes(**changed: Any) -> Any:
    from models.synthesis.tacotron2 import Tacotron2Config

    sizes = {
        "num_symbols": len(CHARACTERS),
        "num_mels": AUDIO.num_mels,
        "frames_per_step": 2,
        "symbol_size": 16,
        "decoder_size": 12,
        "attention_rnn_size": 10,
        "attention_size": 6,
        "location_filters": 4,
        "location_kernel": 5,
        "prenet_size": 8,
        "postnet_size": 8,
    }
    return Tacotron2Config(**{**sizes, **changed})


def tiny_network(seed: int = 0, **changed: Any) -> Any:
    import torch

    from models.synthesis.tacotron2 import Tacotron2

    torch.manual_seed(seed)
    return Tacotron2(tiny_sizes(**changed)).eval()


def write_tacotron2(folder: Path, seed: int = 0) -> Path:
    """Save a random network; texts sound different, and none ends by itself."""
    from safetensors.torch import save_file

    network = tiny_network(seed)
    network.decoder.gate_layer.bias.data.fill_(-9.0)
    save_file(network.state_dict(), folder / "model.safetensors")
    config = {
        "network": msgspec.to_builtins(network.config),
        "audio": msgspec.to_builtins(AUDIO),
        "characters": CHARACTERS,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
