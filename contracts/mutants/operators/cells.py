"""Operators on one cell: changes of a number, a text, a time or a JSON object."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from migrator.schema.model import Column, Table

#: The columns that hold JSON, in any table.
JSON = frozenset({"metadata", "context", "preferences", "tags"})


@dataclass(frozen=True, slots=True)
class Operator:
    """A change of a cell.

    Attributes:
        kind: Its name.
        chosen: SQL that is true for a cell ``{c}`` that can be changed like this.
        given: Returns the new cell for the old one; the old one if it cannot be changed.
    """

    kind: str
    chosen: str
    given: Callable[[Any], Any]


def _member(change: Callable[[dict[str, Any]], object]) -> Callable[[Any], Any]:
    def changed(text: Any) -> Any:
        members = json.loads(text)
        if not isinstance(members, dict) or not members:
            return text
        change(members)
        return json.dumps(members, ensure_ascii=False, separators=(",", ":"))

    return changed


def _retype(members: dict[str, Any]) -> None:
    name = next(iter(members))
    members[name] = str(members[name]) if not isinstance(members[name], str) else [members[name]]


def _hour_later(at: str) -> str:
    hour = (int(at[11:13]) + 1) % 24
    return f"{at[:11]}{hour:02d}{at[13:]}"


_A_TIME = "typeof({c}) = 'text' AND {c} GLOB '????-??-?? ??:??:??*'"
_NUMBERS = (
    # One unit in the last place, or two.
    Operator("number off by its last bit", "typeof({c}) = 'real' AND abs({c}) > 1e-9", lambda x: x * (1 + 2**-52)),
    Operator(
        "number a hundred times as large", "typeof({c}) = 'real' AND {c} <> 0 AND abs({c}) < 1e15", lambda x: x * 100
    ),
    Operator("number with the other sign", "typeof({c}) = 'real' AND {c} <> 0", lambda x: -x),
    Operator(
        "number rounded to cents",
        "typeof({c}) = 'real' AND round({c}, 2) <> {c} AND abs({c}) < 1e15",
        lambda x: round(x, 2),
    ),
    Operator("number cut to a whole one", "typeof({c}) = 'real' AND abs({c}) < 1e15", lambda x: float(int(x))),
)
_COUNTS = (
    Operator("count off by one", "typeof({c}) = 'integer' AND abs({c}) < 1e15", lambda x: x + 1),
    Operator("count with the other sign", "typeof({c}) = 'integer' AND {c} <> 0 AND abs({c}) < 1e15", lambda x: -x),
)
_TEXTS = (
    Operator("letter case changed", "typeof({c}) = 'text'", lambda x: x.upper() if x != x.upper() else x.lower()),
    Operator("blank behind", "typeof({c}) = 'text'", lambda x: f"{x} "),
    Operator("last letter lost", "typeof({c}) = 'text' AND length({c}) > 1", lambda x: x[:-1]),
    Operator("text as bytes", "typeof({c}) = 'text'", lambda x: x.encode()),
    Operator(
        "letters outside ASCII lost",
        "typeof({c}) = 'text' AND {c} GLOB '*[^ -~]*'",
        lambda x: x.encode("ascii", "replace").decode(),
    ),
    Operator(
        "letters composed otherwise",
        "typeof({c}) = 'text' AND {c} GLOB '*[^ -~]*'",
        lambda x: unicodedata.normalize("NFD", x),
    ),
    Operator(
        "line ends of another system",
        "typeof({c}) = 'text' AND instr({c}, char(10))",
        lambda x: x.replace("\n", "\r\n"),
    ),
    Operator("'' instead of NULL", "{c} IS NULL", lambda _: ""),
    Operator("the word null instead of NULL", "{c} IS NULL", lambda _: "null"),
)
_TIMES = (
    Operator("time off by a microsecond", f"{_A_TIME} AND length({{c}}) = 19", lambda x: f"{x}.000001"),
    Operator("time cut to the second", f"{_A_TIME} AND length({{c}}) > 19", lambda x: x[:19]),
    Operator("time cut to the day", _A_TIME, lambda x: f"{x[:10]} 00:00:00"),
    Operator("time an hour off", _A_TIME, _hour_later),
    Operator("time in another form", _A_TIME, lambda x: f"{x.replace(' ', 'T')}Z"),
    Operator("time as a number", _A_TIME, lambda _: 1769000000),
)
_OBJECTS = (
    Operator("member of JSON lost", "typeof({c}) = 'text' AND json_valid({c})", _member(dict.popitem)),
    Operator("member of JSON of another type", "typeof({c}) = 'text' AND json_valid({c})", _member(_retype)),
    Operator(
        "member of JSON added",
        "typeof({c}) = 'text' AND json_valid({c})",
        _member(lambda members: members.update(added=1)),
    ),
)
_LOST = Operator("value lost", "{c} IS NOT NULL", lambda _: None)
_INVENTED = {
    "REAL": Operator("value invented", "{c} IS NULL", lambda _: 0.0),
    "INTEGER": Operator("value invented", "{c} IS NULL", lambda _: 0),
    "TEXT": Operator("value invented", "{c} IS NULL", lambda _: "unknown"),
    "TIMESTAMP": Operator("value invented", "{c} IS NULL", lambda _: "2026-01-01 00:00:00"),
}


def operators(table: Table, column: Column) -> Iterator[Operator]:
    """Yield the changes of the cells of *column*, which is neither a key nor a reference."""
    listed = next((check for check in table.checks if check.columns == (column.name,)), None)
    if not column.not_null:
        yield _LOST
        if listed is None:
            yield _INVENTED[column.type]
    if column.type == "TIMESTAMP":
        yield from _TIMES
    elif column.type == "REAL":
        yield from _NUMBERS if listed is None else (_NUMBERS[0], _NUMBERS[3])
    elif column.type == "INTEGER":
        yield from _COUNTS
    elif column.name in JSON:
        yield from _OBJECTS
    elif listed is None:
        yield from (operator for operator in _TEXTS if not (column.not_null and operator.chosen == "{c} IS NULL"))
