from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu import pretrained
from models.nlu.pretrained import find_folder, load_weights, read_config


def test_an_existing_folder_is_used_as_it_is(tmp_path: Path) -> None:
    assert find_folder(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("source", ["./absent", "/absent/model", "~/absent", "a/b/c"])
def test_a_path_that_does_not_exist_is_not_looked_up_on_the_hub(source: str) -> None:
    with pytest.raises(ModelError, match="no folder"):
        find_folder(source)


def test_a_file_instead_of_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(ModelError, match="is a file: expected the folder"):
        find_folder(str(file))


def test_a_hub_failure_is_one_line() -> None:
    # Two dots are no valid id: the real hub client refuses it before any network is touched.
    with pytest.raises(ModelError, match="fetching it from the hub failed") as caught:
        find_folder("no..body/nothing")
    assert "\n" not in str(caught.value)


def test_the_error_names_the_extra_when_minilm_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "MINILM_PACKAGE", "package_that_nobody_has")
    with pytest.raises(ModelError, match=r"penstock\[demo\]"):
        find_folder("minilm")


def test_a_folder_with_only_a_pickle_is_refused_with_advice(
    tiny_bert: Path, tmp_path: Path
) -> None:
    shutil.copy(tiny_bert / "config.json", tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(ModelError, match=r"pytorch_model.bin.*save_pretrained"):
        read_config(tmp_path)


def test_folder_without_weights_is_refused(tiny_bert: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_bert / "config.json", tmp_path)
    with pytest.raises(ModelError, match=r"no \*\.safetensors"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no config.json"), ("{", "not JSON"), ("[]", "not a JSON object")],
)
def test_unusable_config_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        read_config(tmp_path)


def test_damaged_weights_are_a_one_line_error(tiny_bert: Path, tmp_path: Path) -> None:
    from transformers import AutoModel

    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="does not load") as caught:
        load_weights(AutoModel, tmp_path, "cpu")
    assert "\n" not in str(caught.value)


def test_missing_weights_are_an_error_and_not_random_numbers(
    tiny_bert: Path, tmp_path: Path
) -> None:
    from transformers import AutoModel

    shutil.copytree(tiny_bert, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config["num_hidden_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(ModelError, match=r"lacks \d+ weights.*encoder\.layer\.2"):
        load_weights(AutoModel, tmp_path, "cpu")
