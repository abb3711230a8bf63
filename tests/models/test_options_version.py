from __future__ import annotations

from pathlib import Path

import pytest

from models.base import Model
from models.options_version import options_digest
from models.registry import make_model
from schemas import Event


class Speaks(Model[Event, dict[str, str]]):
    name = "speaks"

    def __init__(
        self,
        path: str,
        labels: str | list[str] | None = None,
        threshold: float = 0.4,
        threads: int = 0,
    ) -> None:
        pass

    def load(self, device: str = "cpu") -> None:
        self.version = "abc"


class Constant(Model[Event, dict[str, str]]):
    name, version = "constant", "2"

    def __init__(self, threshold: float = 0.4) -> None:
        pass


def test_defaults_and_options_that_change_no_answer_add_nothing() -> None:
    assert options_digest(Speaks, {"path": "x"}) == ""
    assert options_digest(Speaks, {"path": "x", "threshold": 0.4, "threads": 3}) == ""


def test_options_that_change_answers_are_told_apart() -> None:
    found = {
        options_digest(Speaks, {"path": "x", **options})
        for options in (
            {},
            {"threshold": 0.5},
            {"threshold": 0.6},
            {"labels": ["a"]},
            {"labels": ["b"]},
        )
    }
    assert len(found) == 5


def test_a_file_of_labels_counts_with_its_content(tmp_path: Path) -> None:
    for name, content in (("a", "cat"), ("b", "cat"), ("c", "dog")):
        (tmp_path / name).write_text(content)
    a, b, c = (options_digest(Speaks, {"labels": str(tmp_path / name)}) for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("cls", "options", "before"),
    [(Speaks, {"path": "x"}, "abc"), (Constant, {}, "2")],
)
def test_the_version_names_them_after_each_load(
    cls: type[Model[Event, dict[str, str]]], options: dict[str, str], before: str
) -> None:
    plain, changed = make_model(cls, options), make_model(cls, {**options, "threshold": 0.5})
    for _ in range(2):
        plain.load("cpu")
        changed.load("cpu")
        assert plain.version == before
        assert changed.version == f"{before}-{options_digest(cls, {'threshold': 0.5})}"
