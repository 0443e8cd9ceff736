"""The SQL of SelectObject: SELECT of columns or aggregates FROM ossobject WHERE a condition LIMIT a number."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from localyun.oss.select.expressions import (
    ARITHMETIC,
    ORDERINGS,
    Column,
    Expression,
    SelectError,
    both,
    calculate,
    cast,
    compare,
    like_pattern,
    negated,
    one_of,
    text,
)

MOST_CHARACTERS = 16 * 1024
AGGREGATES = ("count", "sum", "avg", "min", "max")
TYPES = {
    **dict.fromkeys(("int", "integer", "bigint"), "int"),
    **dict.fromkeys(("double", "float"), "double"),
    **dict.fromkeys(("bool", "boolean"), "bool"),
    **dict.fromkeys(("string", "varchar"), "string"),
    "decimal": "decimal",
}
RESERVED = {"select", "from", "where", "limit", "as", "and", "or", "not", "join", "on", "group", "order", "having"}
# A quotation mark that ends a statement and opens nothing is ignored: the vendor's tests (Python, both SDKs) have it.
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<string>'(?:[^']|'')*')|(?P<name>[^\W\d]\w*)
    |(?P<quoted>"(?:[^"]|"")*")|(?P<operator><=|>=|<>|!=|\|\||[-=<>+*/%(),.\[\];])|(?P<end>'?\s*$))""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """A token: its kind, and its text without quotation marks; a name or operator also in lower case as `word`."""

    kind: str
    text: str
    word: str


@dataclass(frozen=True)
class Item:
    """An item of the select list: a column, or an aggregate of an expression; `expression` is None for count(*)."""

    expression: Expression | None
    column: Column | None = None
    aggregate: str = ""
    alias: str = ""


@dataclass
class Query:
    """A parsed statement; without items it selects all. `source` is the path after `ossobject`."""

    items: list[Item] = field(default_factory=list)
    source: tuple[str | int, ...] = ()
    where: Expression | None = None
    limit: int | None = None
    columns: list[Column] = field(default_factory=list)


def parse(statement: str) -> Query:
    """Parse a statement. Raises SelectError."""
    if len(statement.encode()) > MOST_CHARACTERS:
        raise _invalid("it is longer than 16 KB")
    return _Parser(_tokens(statement)).query()


def _invalid(why: str) -> SelectError:
    return SelectError("InvalidSqlParameter", f"The SQL expression is invalid: {why}.")


def _tokens(statement: str) -> list[Token]:
    tokens, position = list[Token](), 0
    while not tokens or tokens[-1].kind != "end":
        found = _TOKEN.match(statement, position)
        if not found:
            raise _invalid(f"it has an unexpected character at {position}")
        kind = found.lastgroup or "end"
        value, position = found[kind], found.end()
        if kind in {"string", "quoted"}:
            value = value[1:-1].replace(value[0] * 2, value[0])
        tokens.append(Token(kind, value, value.lower() if kind in {"name", "operator"} else ""))
    return tokens


class _Parser:
    """A parser by recursive descent; each method consumes the tokens of what it is named after."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._query = Query()

    def query(self) -> Query:
        query = self._query
        self._expect("select")
        if not self._accept("*"):
            query.items.append(self._item())
            while self._accept(","):
                query.items.append(self._item())
        if len({bool(item.aggregate) for item in query.items}) > 1:
            raise _invalid("it selects both columns and aggregates")
        self._expect("from")
        alias = self._source()
        query.where = self._either() if self._accept("where") else None
        query.limit = int(self._kind("number")) if self._accept("limit") else None
        self._accept(";")
        self._kind("end")
        for column in query.columns:
            if len(column.path) > 1 and str(column.path[0]).lower() in {"ossobject", alias}:
                column.path = column.path[1:]
        return query

    def _source(self) -> str:
        """Read the source; return its alias in lower case, or ""."""
        path = self._path()
        if str(path[0]).lower() != "ossobject":
            raise _invalid(f"it selects from {path[0]}, not from ossobject")
        self._query.source = path[1:]
        return self._alias(implicit=True).lower()

    def _item(self) -> Item:
        if self._word in AGGREGATES and self._tokens[self._next + 1].word == "(":
            name = self._take().word
            self._expect("(")
            expression = None if name == "count" and self._accept("*") else self._sum()
            self._expect(")")
            return Item(expression, None, name, self._alias())
        column = self._column()
        return Item(lambda record: record.get(column), column, "", self._alias())

    def _alias(self, *, implicit: bool = False) -> str:
        """Read any number of aliases and return the last, or ""."""
        alias = ""
        while self._accept("as") or (implicit and self._word and self._word.isidentifier() and not alias):
            if self._word in RESERVED:
                if alias or not implicit:
                    raise _invalid(f"{self._word!r} is not an alias")
                break
            alias = self._name()
        return alias

    def _either(self) -> Expression:
        found = self._all()
        while self._accept("or"):
            found = _disjunction(found, self._all())
        return found

    def _all(self) -> Expression:
        found = self._negation()
        while self._accept("and"):
            found = _binary(both, found, self._negation())
        return found

    def _negation(self) -> Expression:
        if self._accept("not"):
            return _unary(negated, self._negation())
        return self._condition()

    def _condition(self) -> Expression:
        left = self._sum()
        if self._word in ORDERINGS:
            name = self._take().word
            return _binary(lambda one, other: compare(name, one, other), left, self._sum())
        if self._accept("is"):
            negative = self._accept("not")
            self._expect("null")
            return _unary(lambda value: (value is None) != negative, left)
        negative = self._accept("not")
        found = self._membership(left)
        if found is None and negative:
            raise _invalid("NOT must be followed by LIKE, IN or BETWEEN")
        return left if found is None else _unary(negated, found) if negative else found

    def _membership(self, left: Expression) -> Expression | None:
        if self._accept("like"):
            pattern = self._kind("string")
            compiled = like_pattern(pattern, self._kind("string") if self._accept("escape") else "")
            return _unary(lambda value: None if value is None else bool(compiled.fullmatch(text(value))), left)
        if self._accept("in"):
            self._expect("(")
            values = [self._sum()]
            while self._accept(","):
                values.append(self._sum())
            self._expect(")")
            return lambda record: one_of(left(record), [value(record) for value in values])
        if self._accept("between"):
            least = self._sum()
            self._expect("and")
            most = self._sum()
            at_least = _binary(lambda one, other: compare(">=", one, other), left, least)
            return _binary(both, at_least, _binary(lambda one, other: compare("<=", one, other), left, most))
        return None

    def _sum(self) -> Expression:
        found = self._product()
        while self._word in {"+", "-", "||"}:
            found = _combined(self._take().word, found, self._product())
        return found

    def _product(self) -> Expression:
        found = self._operand()
        while self._word in {"*", "/", "%"}:
            found = _combined(self._take().word, found, self._operand())
        return found

    def _operand(self) -> Expression:
        if self._accept("("):
            found = self._either()
            self._expect(")")
            return found
        if self._accept("-"):
            return _combined("-", lambda _record: 0, self._operand())
        if self._token.kind in {"number", "string"}:
            token = self._take()
            value = Decimal(token.text) if token.kind == "number" else token.text
            return lambda _record: value
        if self._word in {"true", "false", "null"}:
            constant = {"true": True, "false": False, "null": None}[self._take().word]
            return lambda _record: constant
        if self._word == "cast" and self._tokens[self._next + 1].word == "(":
            return self._cast()
        column = self._column()
        return lambda record: record.get(column)

    def _cast(self) -> Expression:
        self._take()
        self._expect("(")
        value = self._sum()
        self._expect("as")
        kind = TYPES.get(name := self._name().lower())
        if not kind:
            raise _invalid(f"it casts to {name}")
        self._expect(")")
        return _unary(lambda found: cast(kind, found), value)

    def _column(self) -> Column:
        column = Column(self._path())
        self._query.columns.append(column)
        return column

    def _path(self) -> tuple[str | int, ...]:
        """Read names and indexes; the index "*" stands for all elements."""
        if self._word in RESERVED:
            raise _invalid(f"{self._token.text!r} is where a name belongs")
        path: list[str | int] = [self._name()]
        while self._word in {".", "["}:
            if self._take().word == ".":
                path.append(self._name())
                continue
            path.append("*" if self._accept("*") else int(self._kind("number")))
            self._expect("]")
        return tuple(path)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    @property
    def _word(self) -> str:
        return self._token.word

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, word: str) -> bool:
        accepted = self._word == word
        self._next += accepted
        return accepted

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise _invalid(f"{word!r} is missing before {self._token.text!r}")

    def _kind(self, kind: str) -> str:
        if self._token.kind != kind or (kind == "number" and not self._token.text.isdecimal()):
            raise _invalid(f"{self._token.text!r} is where the {kind} belongs")
        return self._take().text

    def _name(self) -> str:
        if self._token.kind not in {"name", "quoted"}:
            raise _invalid(f"{self._token.text!r} is where a name belongs")
        return self._take().text


def _unary(apply: Callable[[object], object], value: Expression) -> Expression:
    return lambda record: apply(value(record))


def _binary(apply: Callable[[object, object], object], left: Expression, right: Expression) -> Expression:
    return lambda record: apply(left(record), right(record))


def _disjunction(left: Expression, right: Expression) -> Expression:
    return lambda record: negated(both(negated(left(record)), negated(right(record))))


def _combined(name: str, left: Expression, right: Expression) -> Expression:
    if name in ARITHMETIC:
        return _binary(lambda one, other: calculate(name, one, other), left, right)
    return _binary(lambda one, other: None if None in (one, other) else text(one) + text(other), left, right)
