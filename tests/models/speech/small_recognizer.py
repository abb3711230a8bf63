"""A recognizer of random weights, small enough for long logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.speech.alphabet import NUM_SYMBOLS
from models.speech.encoder import EncoderShape, SpeechEncoder
from models.training.recognizer import write_model
from models.transducer.network import Transducer, TransducerShape

#: Added to the blank's logit, so that letters come now and then, and not at every step.
_BLANK_BIAS = 0.4


def write_small_recognizer(folder: Path) -> dict[str, Any]:
    """Write the files of a small recognizer; return the options of a model that reads them."""
    torch.manual_seed(5)
    encoder = SpeechEncoder(EncoderShape(channels=12, hidden=16, layers=1))
    shape = TransducerShape(joint=12, hidden=12)
    network = Transducer(encoder, encoder_width=16, num_symbols=NUM_SYMBOLS, shape=shape)
    with torch.no_grad():
        network.joiner.output.weight.mul_(6)
        network.joiner.output.bias[0] += _BLANK_BIAS
    write_model(network, shape, folder)
    return {"path": str(folder)}
