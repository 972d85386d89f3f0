"""Replaces private values; storage class, length, form, vocabulary, links stay.

A text is split into words.  A word is replaced by random letters and digits, the same word always by the same ones in
any letter case, so that links stay.  Kept are the words that a mapping or a CHECK
compares with, JSON's own words and names of members, and numbers that identify no user: below ten, and powers of ten.  A
time is moved by a random number of weeks, the same for all.  The system's random numbers are used: nothing can be restored.
"""

from __future__ import annotations

import json
import math
import re
import secrets
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import base58
import sqlglot
from sqlglot import exp

from contracts.oracle.cells import Cell, Row, bytes_of, parsed, text_of
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader

Rows = Mapping[str, Sequence[Row]]

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_ROUND = re.compile(r"-?(?:10*\.0|0\.0*1|1(?:\.0)?e[+-]?\d+)")
_FRACTION = re.compile(r"(?<=:\d\d\.)\d+", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?=$|[T ]\d\d:\d\d)", re.ASCII)
#: Integers at the limits of a type, which stay.
_EDGES = frozenset({2**63 - 1, -(2**63), 2**53, 2**53 + 1, -(2**53)})
#: Columns of lineage and quarantine without private values.
_OURS = {"lineage": ("source", "target"), "quarantine": ("source", "target", "broken")}


@cache
def vocabulary() -> frozenset[str]:
    """Return, in lower case, every word in a mapping, a CHECK or the specified configuration."""
    sql = [text for mapping in mapping_reader.mappings() for text in (mapping.forward, mapping.back) if text]
    sql += [
        f"SELECT {check.expression}"
        for target in catalogue.TARGETS
        for table in schema_reader.target(target).tables
        for check in table.checks
    ]
    literals = [
        literal.name for text in sql for literal in sqlglot.parse_one(text, read="sqlite").find_all(exp.Literal)
    ]
    columns = [name for known in catalogue.legacy_databases() for shape in known.shapes for name in shape.names]
    return frozenset(word.lower() for text in (*literals, *columns) for word in _WORD.findall(text))


class Anonymous:
    """Replaces values; equal values get equal replacements.

    Args:
        addresses: Texts that become addresses again, because the configuration accepts no other text in their place.
    """

    def __init__(self, addresses: Iterable[str] = ()) -> None:
        self._addresses = {address: base58.b58encode(secrets.token_bytes(32)).decode("ascii") for address in addresses}
        self._words: dict[str, str] = {}
        self._numbers: dict[Cell, Cell] = {}
        self._taken: set[Cell] = set()
        # Whole weeks, so that days of the week stay.
        self._away = timedelta(weeks=52 + secrets.randbelow(104))

    def rows(self, tables: Rows) -> dict[str, list[Row]]:
        """Return the rows of *tables* with every cell replaced."""
        return {
            table: [
                # These columns of lineage and quarantine name tables, constraints and reasons.
                {
                    name: cell if name in _OURS.get(table.partition(".")[2], ()) else self.cell(cell)
                    for name, cell in row.items()
                }
                for row in rows
            ]
            for table, rows in tables.items()
        }

    def cell(self, cell: Cell) -> Cell:
        """Return the replacement of *cell*."""
        if isinstance(cell, str):
            return self._text(cell)
        if isinstance(cell, bytes):
            text = text_of(cell)
            return bytes_of(self._text(text)) if text.isprintable() else secrets.token_bytes(len(cell))
        if isinstance(cell, int):
            return self._once(cell, self._integer)
        return self._once(cell, self._real) if isinstance(cell, float) else cell

    def _once(self, cell: Cell, make: Callable[[Cell], Cell]) -> Cell:
        known = (type(cell), cell)
        if known not in self._numbers:
            made = make(cell)
            # Different numbers stay different, unless all numbers of that length are used up.
            for _ in range(100):
                if (type(made), made) not in self._taken or made == cell:
                    break
                made = make(cell)
            self._taken.add((type(made), made))
            self._numbers[known] = made
        return self._numbers[known]

    def _integer(self, cell: int) -> int:
        if abs(cell) < 10 or cell in _EDGES:
            return cell
        made = int(self._digits(str(abs(cell))))
        # A number beyond SQLite's integers is replaced by a rounded one.
        return (made if made < 2**63 else abs(cell) // 10 * 10) * (1 if cell > 0 else -1)

    def _real(self, cell: float) -> float:
        if not math.isfinite(cell) or cell == 0 or (cell.is_integer() and abs(cell) < 10):
            return cell
        if _ROUND.fullmatch(repr(cell)):
            return cell
        made = float(self._digits(repr(cell)))
        return made if math.isfinite(made) and made != 0 else cell

    def _digits(self, number: str) -> str:
        """Return other digits in the same places; zeros and the exponent stay."""
        mantissa, e, exponent = number.partition("e")
        return "".join(_other(letter) if letter in "123456789" else letter for letter in mantissa) + e + exponent

    def _text(self, text: str) -> str:
        if text in self._addresses:
            return self._addresses[text]
        if _TIME.match(text):
            moved = _TIME.sub(lambda match: self._day(match[1]), text)
            return _FRACTION.sub(lambda match: self._word(match[0]), moved)
        if _NUMBER.fullmatch(text):
            return self._word(text, keep="eE+-.")
        value = parsed(text) if text.strip()[:1] in {"{", "["} else None
        if isinstance(value, dict | list):
            return self._json(text)
        return _WORD.sub(lambda match: self._word(match[0]), text)

    def _day(self, day: str) -> str:
        try:
            return str(date.fromisoformat(day) - self._away)
        except (ValueError, OverflowError):
            # Not a date, such as 30 February, or too early to be moved: it stays.
            return day

    def _json(self, text: str) -> str:
        """Replace the values in JSON; white space and the names of members stay."""
        parts = re.split(r'("(?:[^"\\]|\\.)*")(\s*:)?', text)
        made = []
        for at in range(0, len(parts), 3):
            made.append(re.sub(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", self._number_in_json, parts[at]))
            if at + 1 < len(parts):
                name, colon = parts[at + 1], parts[at + 2] or ""
                made.append((name if colon else self._string_in_json(name)) + colon)
        return "".join(made)

    def _number_in_json(self, match: re.Match[str]) -> str:
        number = json.loads(match[0])
        made = repr(self.cell(number))
        return made if type(number) is int or repr(number) == match[0] else self._digits(match[0])

    def _string_in_json(self, literal: str) -> str:
        text = json.loads(literal)
        made = self._text(text)
        return json.dumps(made, ensure_ascii=literal.isascii())

    def _word(self, word: str, keep: str = "") -> str:
        known = word.lower()
        if known in vocabulary() or (len(word) == 1 and word.isascii()):
            return word
        if known not in self._words:
            self._words[known] = "".join(letter if letter in keep else _other(letter) for letter in known)
        made = self._words[known]
        # Some letters have no upper case, and some have two letters as theirs.
        return "".join(
            new.upper() if old.isupper() and len(new.upper()) == 1 else new
            for old, new in zip(word, made, strict=False)
        )


def _other(letter: str) -> str:
    """Return another letter or digit with the same number of bytes."""
    if letter in string.digits:
        return letter if letter == "0" else secrets.choice("123456789")
    if letter in string.ascii_letters:
        return secrets.choice(string.ascii_lowercase)
    size = len(bytes_of(letter))
    return {2: "ö", 3: "ル", 4: "\U0001f600"}.get(size, letter)
