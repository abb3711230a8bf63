"""`where:` of an agent: a small language of comparisons, compiled into closures.

    expression = and-expression ("||" and-expression)*
    and-expression = term ("&&" term)*
    term = "!" term | "(" expression ")" | "has(" path ")" | operand [operator operand]
    operator = == | != | < | <= | > | >= | in
    operand = path | number | "text" | 'text' | true | false | null | "[" operand, ... "]"

It is a subset of the syntax of Google's CEL, with the paths of `fields:`. CEL itself was measured
at five times the time of decoding a record. A path that is absent is null: equal to null only, and
in no order with anything. Values of different kinds are never equal, and comparing their order is
an error of the record.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.errors import SchemaError
from schemas.mapping.describe import found
from schemas.mapping.paths import FieldPath, PathError, compile_path, scan_path

#: Takes the value and the record's scope.
Evaluate = Callable[[Any, Any], Any]

_SPACE = re.compile(r"\s*")
_LITERAL = re.compile(
    r"(?P<number>-?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?)(?![\w.])"
    r"|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<word>true|false|null)(?![\w.\[])"
)
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>|in\b")
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_WORDS = {"true": True, "false": False, "null": None}
_MAX_CHARS = 4000
_MAX_DEPTH = 50


class WhereError(ValueError):
    """Not an expression; the message says where it goes wrong."""


class Where(NamedTuple):
    """A compiled filter."""

    text: str
    paths: tuple[FieldPath, ...]
    """Every path in it."""
    evaluate: Evaluate

    @property
    def needs_scope(self) -> bool:
        """Whether a path reaches beyond the value."""
        return any(not path.is_plain for path in self.paths)

    def keeps(self, value: Any, scope: Any) -> bool:
        """Return whether a record is answered.

        Raises:
            SchemaError: the record's values can't be compared, or the result is neither true nor
                false.
        """
        kept = self.evaluate(value, scope)
        if kept is True or kept is False:
            return kept
        if kept is None:  # a path alone that is absent: `where: data.on`
            return False
        raise SchemaError(f"where: {self.text[:100]}: expected true or false, found {found(kept)}")


def parse_where(text: str) -> Where:
    """Parse and compile an expression.

    Raises:
        WhereError: it is no expression.
    """
    if len(text) > _MAX_CHARS:
        raise WhereError(f"at most {_MAX_CHARS} characters")
    parser = _Parser(text)
    evaluate = parser.whole()
    return Where(text, tuple(parser.paths), evaluate)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0
        self.paths: list[FieldPath] = []

    def whole(self) -> Evaluate:
        evaluate = self._either()
        self._skip_space()
        if self._at < len(self._text):
            raise self._error("expected an operator or the end")
        return evaluate

    def _error(self, expected: str) -> WhereError:
        rest = self._text[self._at :]
        return WhereError(
            f"{expected} at {rest[:20]!r}" if rest.strip() else f"{expected} at the end"
        )

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _takes(self, token: str) -> bool:
        self._skip_space()
        if self._text.startswith(token, self._at):
            self._at += len(token)
            return True
        return False

    def _require(self, token: str) -> None:
        if not self._takes(token):
            raise self._error(f"expected {token}")

    def _either(self) -> Evaluate:
        parts = [self._both()]
        while self._takes("||"):
            parts.append(self._both())
        if len(parts) == 1:
            return parts[0]

        def is_any(value: Any, scope: Any) -> bool:
            for part in parts:  # a generator takes twice the time
                if part(value, scope) is True:
                    return True
            return False

        return is_any

    def _both(self) -> Evaluate:
        parts = [self._term()]
        while self._takes("&&"):
            parts.append(self._term())
        if len(parts) == 1:
            return parts[0]

        def are_all(value: Any, scope: Any) -> bool:
            for part in parts:  # a generator takes twice the time
                if part(value, scope) is not True:
                    return False
            return True

        return are_all

    def _term(self) -> Evaluate:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise WhereError(f"nested deeper than {_MAX_DEPTH}")
        try:
            self._skip_space()
            if self._text.startswith("!", self._at) and not self._text.startswith("!=", self._at):
                self._at += 1
                inner = self._term()
                return lambda value, scope: inner(value, scope) is not True
            if self._takes("("):
                inner = self._either()
                self._require(")")
                return inner
            if self._takes("has("):
                left = self._path()
                self._require(")")
                return lambda value, scope: left(value, scope) is not None
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Evaluate:
        left = self._operand()
        self._skip_space()
        match = _OPERATOR.match(self._text, self._at)
        if match is None:
            return left
        self._at = match.end()
        return _compare(match[0], left, self._operand())

    def _operand(self) -> Evaluate:
        self._skip_space()
        if self._takes("["):
            return self._list()
        match = _LITERAL.match(self._text, self._at)
        if match is None:
            return self._path()
        self._at = match.end()
        literal = _literal(match)
        return lambda value, scope: literal

    def _list(self) -> Evaluate:
        items = []
        if not self._takes("]"):
            items.append(self._operand())
            while self._takes(","):
                items.append(self._operand())
            self._require("]")
        return lambda value, scope: [item(value, scope) for item in items]

    def _path(self) -> Evaluate:
        self._skip_space()
        try:
            path, self._at = scan_path(self._text, self._at)
        except PathError as error:
            raise WhereError(str(error)) from None
        self.paths.append(path)
        return compile_path(path)


def _literal(match: re.Match[str]) -> Any:
    if match["word"]:
        return _WORDS[match["word"]]
    if match["number"]:
        return json.loads(_json_number(match["number"]))
    return re.sub(r"\\(.)", r"\1", match["text"][1:-1])


def _json_number(text: str) -> str:
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text)
    whole, dot, rest = digits.partition(".")
    if not dot:
        return sign + (digits if "e" in digits.lower() else str(int(digits)))
    rest = "0" + rest if rest[:1] in ("", "e", "E") else rest
    return f"{sign}{int(whole or '0')}.{rest}"


def _compare(name: str, left: Evaluate, right: Evaluate) -> Evaluate:
    if name == "==":
        return lambda value, scope: _equal(left(value, scope), right(value, scope))
    if name == "!=":
        return lambda value, scope: not _equal(left(value, scope), right(value, scope))
    if name == "in":
        return lambda value, scope: _is_in(left(value, scope), right(value, scope))
    order = _ORDERS[name]

    def compare(value: Any, scope: Any) -> bool:
        a, b = left(value, scope), right(value, scope)
        if a is None or b is None:
            return False
        if _kind(a) != _kind(b) or not _kind(a):
            raise SchemaError(f"where: can't compare {found(a)} {name} {found(b)}")
        return bool(order(a, b))

    return compare


def _kind(value: Any) -> str:
    """Return what a value can be compared with: values of one kind have an order."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return "text" if isinstance(value, str) else ""


def _equal(a: Any, b: Any) -> bool:
    # Python takes True for 1; JSON does not.
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)


def _is_in(a: Any, b: Any) -> bool:
    if isinstance(b, list):
        return any(_equal(a, item) for item in b)
    if isinstance(b, dict):
        return isinstance(a, str) and a in b
    if isinstance(b, str) and isinstance(a, str):
        return a in b
    if a is None or b is None:
        return False
    raise SchemaError(f"where: can't look for {found(a)} in {found(b)}")
