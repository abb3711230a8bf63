from __future__ import annotations

from pathlib import Path

import pytest

from models.base import ModelError
from models.onnx_session import open_session
from tests.models.linear_onnx import save_linear


def test_a_file_is_opened(tmp_path: Path) -> None:
    session = open_session(Path(save_linear(tmp_path / "linear.onnx")), "cpu", 1)
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_what_can_not_be_opened_is_an_error_with_the_path(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model file .*no\.onnx"):
        open_session(tmp_path / "no.onnx", "cpu", 1)
    path = Path(save_linear(tmp_path / "linear.onnx"))
    with pytest.raises(ModelError, match="expected cpu or cuda:N"):
        open_session(path, "tpu", 1)
