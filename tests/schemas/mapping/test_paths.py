from __future__ import annotations

from typing import Any

import pytest

from schemas import SchemaError
from schemas.mapping.paths import PathError, Scope, compile_path, parse_path
from schemas.mapping.where import parse_where

VALUE = {"a": {"b": [{"c": 1}, {"c": 2}], "odd name": 3, "x.y": 4, "null": None}, "n": 5}
SCOPE = Scope(VALUE, {"type": "t"}, "k1", {"device": b"d1", "bad": b"\xff"}, 17)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("n", 5),
        ("a.b[1].c", 2),
        ("a.b[-1].c", 2),
        ("a.b[7].c", None),
        ('a["odd name"]', 3),
        ("a['x.y']", 4),
        ('["a"]["null"].below', None),
        ("a.no.such", None),
        ("$value.n", 5),
        ("$key", "k1"),
        ("$timestamp", 17),
        ("$header.device", "d1"),
        ('$header["device"]', "d1"),
        ("$header.none", None),
        ("$envelope.type", "t"),
    ],
)
def test_a_path_reaches_its_value(path: str, value: Any) -> None:
    assert compile_path(parse_path(path))(VALUE, SCOPE) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "expected a path"),
        (".a", "not with a dot"),
        ("a..b", "after . expected a name"),
        ("a[", "expected a number, a quoted name or key"),
        ("a[x]", "expected a number, a quoted name or key"),
        ("a b", "can't read ' b'"),
        ("a;b", "^$"),
        ("$key.a", "nothing below"),
        ("$header", "name of one header"),
        ("$nothing", "expected a path"),
        ("x" * 1001, "at most 1000 characters"),
    ],
)
def test_what_is_no_path_is_refused(path: str, words: str) -> None:
    if words == "^$":
        assert parse_path(path).steps == (path,)  # an odd name, but a name
        return
    with pytest.raises(PathError, match=words):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("n.x", "n.x: n is the number 5, expected an object with 'x'"),
        (
            "a[0]",
            "a[0]: a is an object with b, odd name, x.y, null, expected a list with an entry 0",
        ),
        ("a.b.c", "a.b.c: a.b is a list of 2, expected an object with 'c'"),
        ("$header.bad", "$header.bad: the header is not UTF-8 text: ff"),
    ],
)
def test_another_shape_is_an_error_that_names_the_place(path: str, message: str) -> None:
    with pytest.raises(SchemaError) as raised:
        compile_path(parse_path(path))(VALUE, SCOPE)
    assert str(raised.value) == message


def test_a_value_that_is_no_object() -> None:
    for value in (5, None, "text", [1]):
        with pytest.raises(SchemaError, match=r"the value is .*, expected an object with 'n'"):
            compile_path(parse_path("n"))(value, SCOPE)


@pytest.mark.parametrize(("path", "name"), [("a.b[0].c", "c"), ("$key", "key"), ("$header.d", "d")])
def test_the_last_name_is_the_channels(path: str, name: str) -> None:
    assert parse_path(path).name == name


ATTRIBUTES = {"attributes": [
    {"key": "host", "value": {"text": "h1"}}, {"key": "a]\"b", "value": 2}, "odd", {"key": "twice"},
    {"key": "twice"}, {"key": 7},
]}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ('attributes[key == "host"].value.text', "h1"),
        ("$value.attributes[ key=='host' ].value.text", "h1"),
        ('attributes[key == "a]\\"b"].value', 2),
        ('attributes[key == "none"].value.text', None),
        ('attributes[other == "host"]', None),
        ('attributes[key == "7"]', None),
    ],
)
def test_an_entry_of_a_list_by_its_key(path: str, value: Any) -> None:
    scope = SCOPE._replace(value=ATTRIBUTES)
    assert compile_path(parse_path(path))(ATTRIBUTES, scope) == value


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "attributes[key == 'twice'].value",
            "attributes: 2 entries have key 'twice', expected one",
        ),
        (
            "attributes[0][key == 'x']",
            r"attributes\[0\] is an object with key, value, expected a list",
        ),
        (
            "attributes[key == 'host'].key.x",
            r"\.key is the text 'host', expected an object with 'x'",
        ),
    ],
)
def test_an_entry_that_is_not_one(path: str, words: str) -> None:
    with pytest.raises(SchemaError, match=words):
        compile_path(parse_path(path))(ATTRIBUTES, SCOPE)


def test_an_entry_is_found_in_a_filter_too() -> None:
    where = parse_where("attributes[key == 'host'].value.text == \"h1\" && has(attributes[0])")
    assert where.keeps(ATTRIBUTES, SCOPE)
