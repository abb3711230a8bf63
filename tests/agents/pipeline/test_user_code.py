from __future__ import annotations

import sys
from pathlib import Path

import pytest

from agents.pipeline.user_code import load_class
from models.base import ModelError

SOURCE = "class Twice:\n    pass\n"


def message(spec: str, folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_class(spec, folder)
    return str(caught.value)


def test_a_users_folder_called_models_does_not_collide(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base.py").write_text(SOURCE)
    assert load_class("./models/base.py:Twice", tmp_path).__name__ == "Twice"
    hint = "'models' is a package of Penstock; write ./models/mine.py:Class"
    assert hint in message("models.mine:Twice", tmp_path)


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    again = load_class(f"{tmp_path}/./mine.py:Twice", Path("/"))
    assert load_class("./mine.py:Twice", tmp_path) is again


def test_a_package_in_the_pipeline_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    package = tmp_path / "waterworks_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from waterworks_of_a_test.taps import Twice\n")
    (package / "taps.py").write_text(SOURCE)
    assert load_class("waterworks_of_a_test:Twice", tmp_path).__name__ == "Twice"
    # At the end, so that nothing in the folder shadows a library.
    assert sys.path[-1] == str(tmp_path)


@pytest.mark.parametrize(
    ("source", "message_start"),
    [
        ("x = 1\ny = nothing\n", ":2: NameError: name 'nothing' is not defined"),
        ("x = 1\n\ny = = 2\n", ":3: not Python: invalid syntax"),
        ("import no_such_library\n", ":1: No module named 'no_such_library'"),
        ("raise SystemExit(3)\n", ":1: SystemExit: 3"),
        ("\nimport json\njson.loads('{')\n", ":3: JSONDecodeError: Expecting property name"),
    ],
)
def test_an_error_in_the_users_file_names_its_line(
    tmp_path: Path, source: str, message_start: str
) -> None:
    (tmp_path / "wrong.py").write_text(source)
    # A second try gives the same error: a module that failed is not kept.
    for _ in range(2):
        assert message("./wrong.py:X", tmp_path).startswith(f"{tmp_path}/wrong.py{message_start}")
