from __future__ import annotations

from pathlib import Path

import numpy as np

from models.export.speed import run_all, times_as_fast
from tests.models.linear_onnx import save_linear


def test_a_file_is_about_as_fast_as_itself(tmp_path: Path) -> None:
    path = Path(save_linear(tmp_path / "linear.onnx"))
    from models.export.speed import open_file

    name = open_file(path).get_inputs()[0].name
    feeds = [{name: np.zeros((4, 2), np.float32)}] * 3
    assert len(run_all(path, feeds)) == 3
    assert times_as_fast(path, path, feeds, threads=1) > 0
