from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from models.base import ModelError
from models.nlu.entity_data import read_tagged
from models.nlu.entity_recognizer import EntityRecognizer
from models.nlu.entity_training import EntityTraining
from models.nlu.train_entities import EntityConfig, main, rate, train
from schemas import TextEntities, TextMessage
from tests.models.nlu.conftest import SaveModel

POSTS = "where\tO\nis\tO\norder\tB-thing\n\nhello\tO\nmoney\tB-thing\na\tI-thing\n\n" * 20


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "train.conll.gz"
    path.write_bytes(gzip.compress(POSTS.encode()))
    return path


def test_a_head_is_trained_saved_and_used(
    data: Path, tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = EntityTraining(layers=(0, 2), width=16, epochs=60, dropout=(0.0, 0.0))
    config = EntityConfig(
        data.parent, tmp_path / "head", str(tiny_bert), held_out=0.5, training=training
    )
    folder = train(config)
    printed = capsys.readouterr().out
    assert "20 held-out texts: entity F1 1.000" in printed
    assert rate(folder, read_tagged(data), str(tiny_bert)).f1 == 1.0
    model = EntityRecognizer(str(tiny_bert), head=str(folder))
    model.load()
    (answer,) = model.predict_batch([TextMessage(text="  hello MONEY a")])
    assert isinstance(answer, TextEntities)
    assert [(e.label, e.text) for e in answer.entities] == [("thing", "MONEY a")]


def test_the_command(
    data: Path, tmp_path: Path, tiny_bert: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--encoder", str(tiny_bert), "--layers", "0", "2", "--epochs", "1"]
    arguments = ["--data", str(data), "--test", str(data), "--out", str(tmp_path / "head")]
    assert main([*arguments, *common]) == 0
    assert "40 held-out texts" in capsys.readouterr().out
    missing = ["--data", str(tmp_path / "no.gz"), "--out", str(tmp_path / "other")]
    assert main([*missing, *common]) == 2
    assert "can't read" in capsys.readouterr().err


def test_data_without_entities_and_odd_shares_are_refused(
    tmp_path: Path, save_bert: SaveModel
) -> None:
    path = tmp_path / "plain.gz"
    path.write_bytes(gzip.compress(b"hello\tO\n"))
    with pytest.raises(ModelError, match="has no entities"):
        train(EntityConfig(path, tmp_path / "head"))
    with pytest.raises(ModelError, match="held_out is 1"):
        train(EntityConfig(path, tmp_path / "head", held_out=1))
