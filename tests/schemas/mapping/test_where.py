from __future__ import annotations

import pytest

from schemas import SchemaError
from schemas.mapping.paths import Scope
from schemas.mapping.where import WhereError, parse_where

VALUE = {
    "on": True, "one": 1, "temp": 21.5, "kind": "pump", "tags": ["a", "b"], "gone": None,
    "data": {"odd name": "it's"}, "zero": 0,
}  # fmt: skip
SCOPE = Scope(VALUE, None, "k1", {"lang": b"en"}, 17)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("on == true", True),
        ("on", True),
        ("!on", False),
        ("one == true", False),  # 1 is not true
        ("one == 1.0", True),
        ("temp > 20 && temp <= 21.5", True),
        ("temp < 20 || kind == 'pump'", True),
        ("(temp < 20 || on) && zero == 0", True),
        ("temp < 20 || on && zero == 1", False),  # && binds closer
        ('kind in ["valve", "pump"]', True),
        ("'a' in tags", True),
        ("'c' in tags", False),
        ("'odd name' in data", True),
        ("'um' in kind", True),
        ('data["odd name"] == "it\'s"', True),
        ("data['odd name'] == 'it\\'s'", True),
        ("gone == null", True),
        ("absent == null", True),
        ("absent != 'x'", True),
        ("absent > 5", False),
        ("!(absent > 5)", True),
        ("has(gone)", False),
        ("has(kind)", True),
        ("absent.below == 1", False),
        ("gone", False),
        ("$key == 'k1' && $header.lang == 'en' && $timestamp > 16", True),
        ("temp > -1.5e3", True),
        ("zero == 007", False),
        ("true", True),
        ("kind < 'q'", True),
    ],
)
def test_what_is_kept(text: str, kept: bool) -> None:
    assert parse_where(text).keeps(VALUE, SCOPE) is kept


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind > 5", "can't compare the text 'pump' > the number 5"),
        ("on < true", "can't compare"),
        ("temp in 5", "can't look for"),
        ("kind.x == 1", "kind is the text 'pump', expected an object with 'x'"),
        ("kind", "expected true or false, found the text 'pump'"),
    ],
)
def test_a_record_that_cannot_be_judged_is_refused(text: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        parse_where(text).keeps(VALUE, SCOPE)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a path"),
        ("a ==", "expected a path"),
        ("a = 1", "expected an operator or the end at '= 1'"),
        ("(a == 1", r"expected \) at the end"),
        ("a == 1 and b", "expected an operator or the end at 'and b'"),
        ("[a", "expected ]"),
        ("a == 'open", "can't read|expected"),
        ("!" * 60 + "a", "nested deeper"),
        ("(" * 60 + "a", "nested deeper"),
        ("a" * 5000, "at most 4000"),
        ("__import__('os').system('x')", "expected an operator or the end"),
        ("a == 1 == 2", "expected an operator or the end"),
    ],
)
def test_what_is_no_expression_is_refused(text: str, words: str) -> None:
    with pytest.raises(WhereError, match=words):
        parse_where(text)


def test_paths_are_known() -> None:
    where = parse_where("a.b == 1 || $key in ['x', c]")
    assert [path.text for path in where.paths] == ["a.b", "$key", "c"]
    assert where.needs_scope
    assert not parse_where("a.b == 1").needs_scope
