from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.base import ModelError
from models.transducer_folder.onnx_decoder import OnnxDecoder
from models.transducer_folder.onnx_files import open_part
from tests.models.transducer_folder.tiny_onnx import HIDDEN, SYMBOLS, write_transducer


def decoder(folder: Path, rows: int = 2, part: str = "decoder") -> OnnxDecoder:
    path = folder / f"{part}-epoch-1.onnx"
    session, metadata = open_part(path, "cpu", 1)
    joiner, _ = open_part(folder / "joiner-epoch-1.onnx", "cpu", 1)
    return OnnxDecoder(session, metadata, joiner, 0, path, rows)


def test_it_reads_the_last_symbols(tmp_path: Path) -> None:
    weights = write_transducer(tmp_path)
    made = decoder(tmp_path)
    state = made.advance(torch.tensor([2, 3, 4]), made.start(3))
    state = made.advance(torch.tensor([5, 1, 2]), state)
    expected = weights["embedding"][[[2, 5], [3, 1], [4, 2]]].reshape(3, -1) @ weights["project"]
    np.testing.assert_allclose(state.output, expected, atol=1e-5)
    assert state.memory[0].tolist() == [[[2, 5], [3, 1], [4, 2]]]


def test_logits_are_those_of_the_joiner_in_any_number_of_rows(tmp_path: Path) -> None:
    weights = write_transducer(tmp_path)
    made = decoder(tmp_path)
    frames, output = torch.randn(3, 5, HIDDEN), torch.randn(3, HIDDEN)
    logits = made.joint(frames, output)
    assert logits.shape == (3, 5, len(SYMBOLS))
    expected = np.tanh(frames.numpy() + output[:, None].numpy()) @ weights["joint"]
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_a_decoder_with_a_state_is_refused(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    with pytest.raises(ModelError, match="stateless decoder"):
        decoder(tmp_path, part="encoder")
