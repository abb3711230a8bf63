from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from models.base import ModelError
from models.transducer_folder.onnx_encoder import OnnxEncoder
from models.transducer_folder.onnx_files import open_part
from tests.models.transducer_folder.tiny_onnx import HIDDEN, SHIFT, WINDOW, write_transducer


def encoder(folder: Path) -> OnnxEncoder:
    path = folder / "encoder-epoch-1.onnx"
    return OnnxEncoder(*open_part(path, "cpu", 1), path)


def test_states_are_rows_of_streams_wherever_their_dimension_is(tmp_path: Path) -> None:
    write_transducer(tmp_path)
    made = encoder(tmp_path)
    assert (made.window, made.shift, made.num_features) == (WINDOW, SHIFT, 80)
    assert made.state_size == 2 * HIDDEN + 1
    chance = np.random.default_rng(0)
    chunks = chance.standard_normal((3, WINDOW, 80)).astype(np.float32)
    states = np.stack([made.start()] * 3)
    states[:, HIDDEN] = [0, 7, 9]  # the count of frames
    encoded, after = made.run(chunks, states)
    assert encoded.shape == (3, SHIFT // 4, HIDDEN)
    assert after[:, HIDDEN].tolist() == [SHIFT, SHIFT + 7, SHIFT + 9]
    alone, state = made.run(chunks[1:2], states[1:2])
    np.testing.assert_allclose(alone[0], encoded[1], atol=1e-6)
    np.testing.assert_allclose(state[0], after[1], atol=1e-6)
    # The last frame encoded is the LSTM's hidden state: the first numbers after the chunk.
    np.testing.assert_allclose(after[:, :HIDDEN], encoded[:, -1], atol=1e-6)


def test_metadata_that_is_absent_is_named(tmp_path: Path) -> None:
    write_transducer(tmp_path, metadata={"decode_chunk_len": "0"})
    with pytest.raises(ModelError, match="decode_chunk_len"):
        encoder(tmp_path)
    write_transducer(tmp_path, metadata={"decode_chunk_len": "46"})
    with pytest.raises(ModelError, match="from 1 to 45"):
        encoder(tmp_path)


@pytest.mark.parametrize(("number", "words"), [(1, "state 'state0'"), (0, "first input 'x'")])
def test_fixed_or_open_shapes_that_do_not_fit_are_named(
    tmp_path: Path, number: int, words: str
) -> None:
    write_transducer(tmp_path)
    path = tmp_path / "encoder-epoch-1.onnx"
    model = onnx.load(path)
    size = model.graph.input[number].type.tensor_type.shape.dim[2]
    size.ClearField("dim_value")
    size.dim_param = "M"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=words):
        encoder(tmp_path)
