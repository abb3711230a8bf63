"""A recognizer of random weights, small enough for long logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.speech.alphabet import NUM_SYMBOLS, SPACE
from models.speech.encoder import EncoderShape, SpeechEncoder
from models.speech.features import log_mel
from models.training.recognizer import write_model
from models.transducer.network import Transducer, TransducerShape

#: Share of vectors of noise at which it says a letter.
_SHARE = 0.35


def write_small_recognizer(folder: Path) -> dict[str, Any]:
    """Write the files of a small recognizer; return the options of a model that reads them."""
    torch.manual_seed(5)
    encoder = SpeechEncoder(EncoderShape(channels=12, hidden=16, layers=1))
    shape = TransducerShape(joint=12, hidden=12)
    network = Transducer(encoder, encoder_width=16, num_symbols=NUM_SYMBOLS, shape=shape)
    with torch.no_grad():
        network.projection.weight.mul_(12)  # so that letters come from the sound
        network.joiner.output.weight.mul_(3)
        network.joiner.output.bias[SPACE] += 1
        noise = log_mel(0.1 * torch.randn(1, 32_240))[:, :200]
        encoded, _ = encoder(noise, encoder.start(1))
        logits = network.joint(network.project(encoded), network.start(1).output)[0]
        lead = logits[:, 1:].max(-1).values - logits[:, 0]
        network.joiner.output.bias[0] += lead.quantile(1 - _SHARE)
    write_model(network, shape, folder)
    return {"path": str(folder)}
