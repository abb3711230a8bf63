"""Read an utterance again at its end, with several hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from models.speech.blocks import Said
from models.transducer.beam import Beam, beam_search
from models.transducer.network import Transducer


@torch.inference_mode()
def reread(transducer: Transducer, vectors: Sequence[npt.NDArray[np.float32]], width: int) -> Said:
    """Return the likeliest letters of a whole utterance.

    One utterance alone in each call, so that its neighbors can't change it.

    Args:
        transducer: its prediction network and joiner are used.
        vectors: (4, J) of each block, in the joint space; at least one.
        width: hypotheses, >= 2.
    """
    device = transducer.projection.weight.device
    frames = torch.from_numpy(np.concatenate(vectors))[None].to(device)
    (beam,) = beam_search(
        transducer, frames, [frames.shape[1]], [Beam.start(transducer)], width=width
    )
    best = beam.hypotheses[0]
    return Said(best.symbols, best.frames, best.log_probs)
