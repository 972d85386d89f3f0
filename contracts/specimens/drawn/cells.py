"""Hypothesis strategies for cells: usual values, and any value of SQLite.

Keys come from small pools, so that links, orphans and duplicates are common.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache

import sqlglot
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from sqlglot import exp

from contracts.specimens.drawn.model import Cell, OddText
from migrator.mapping import reader as mapping_reader
from migrator.schema import reader as schema_reader
from migrator.schema.model import Column

SOL = "So11111111111111111111111111111111111111112"
#: Usual ids, ids that look like numbers, and '' for no id.
TEXT_KEYS = (
    "e90867f9",
    "buy_e90867f9",
    "12345678",
    "1234e002",
    "1",
    "01",
    "1.0",
    "9e999",
    "user:7",
    "user:07",
    "Ab",
    "ab",
    "",
)
INTEGER_KEYS = (1, 2, 3, 0, -1, 2**53 + 1, 2**63 - 1, -(2**63))
SYMBOLS = ("SOL", "sol", "Sol", "USOR", "ẞ", "ß", "")
MINTS = (SOL, "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", "epjfwdd5aufqssqem2qn1xzybapc8g4weggkzwytdt1v", "")
TIMES = (
    "2026-01-17T10:00:00+00:00",
    "2026-01-17T10:00:00.123456+00:00",
    "2026-01-17T04:00:00.120000-06:00",
    "2026-01-17T10:00:00",
    "2026-01-17T10:00:00.1234567890",
    "2026-01-17 10:00:00",
    "2026-01-17 10:00",
    "2026-01-17",
    "2026-01-17T10:00:00Z",
    "2026-02-30T10:00:00+00:00",
    "2026-01-17T24:00:00",
    "2026-01-17T10:00:60",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.999999-14:00",
    "",
)
#: Few keys, so that lots, sales, trades, orders and positions refer to each other.
SIGNATURES = ("5VERYLong", "3other", "")
ORDER_IDS = ("tp1", "sl1", "")
LOTS = (
    "[[1, 1.0]]",
    "[[1, 2.0], [2, 0.1]]",
    "[[1, 0.30000000000000004], [1, 1e-9], [3, 1]]",
    '[["1", 2.0]]',
    "[[1, 0.0]]",
    "[[1, 1e400]]",
    "[[1, -2.0], [2, 2.0]]",
    "[[1, 1.0], [99, 1.0]]",
    "[]",
    "nothing",
)
EPOCHS = (1768644000.0, 1768644000.123457, 0.0, -1.5, 1e17)
#: 4.9e-324 is the smallest subnormal; 0.1 + 0.2 needs 17 digits; the last one is lost between two decimal readers.
REALS = (
    0.0,
    -0.0,
    1.0,
    0.1 + 0.2,
    1e-9,
    -12.5,
    4.9e-324,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    2.0**53,
    7.038531e-26,
)
JSONS = (
    "{}",
    "[]",
    "null",
    '{"a": 1, "a": 2}',
    ' { "metadata" : [1e400, 0.30000000000000004, 18446744073709551616] } ',
    '["$SOL", "$sol"]',
    "[" * 900 + "]" * 900,
    '{"a":' * 1500 + "1" + "}" * 1500,
    '{"unclosed": ',
    "{'a': 1}",
    '"\\ud800"',
    '{"\\u0000": "\\u0000"}',
    "{}\0{}",
    "NaN",
)
_TIME_NAME = re.compile(r"_at$|date|time(?!frame)|_seen|_active|last_|_until|deadline|week_|first_mentioned")
_BY_NAME: tuple[tuple[re.Pattern[str], tuple[Cell, ...]], ...] = (
    (re.compile(r"lots_used"), LOTS),
    (re.compile(r"signature|tx_id"), SIGNATURES),
    (re.compile(r"order_id"), ORDER_IDS),
    (re.compile(r"json|metadata|tags$|attributes|context|preferences|components|weights"), JSONS),
    (re.compile(r"symbol"), SYMBOLS),
    (re.compile(r"mint|contract|token_address"), MINTS),
    (_TIME_NAME, TIMES),
    (re.compile(r"(^|_)(id|key|entity|name|address|signature|component|endpoint)$"), (*TEXT_KEYS, "unknown wallet")),
)


def odd_texts() -> SearchStrategy[OddText]:
    """TEXT that is not UTF-8 or has a lone surrogate, with or without NUL."""
    shown = st.sampled_from(
        [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"2026-01-17\xff", b'{"a":"\xff"}', b"\x00\xff"]
    )
    return (shown | st.binary(max_size=4).filter(_not_utf8)).map(OddText)


def _not_utf8(octets: bytes) -> bool:
    return octets.decode("utf-8", "replace").encode() != octets


def anything() -> SearchStrategy[Cell]:
    """Any value that SQLite stores in a cell, of every storage class; NaN is stored as NULL."""
    return st.one_of(
        st.none(),
        st.sampled_from([*INTEGER_KEYS, *REALS]),
        st.sampled_from(
            [*TEXT_KEYS, *TIMES, *JSONS, *SYMBOLS, *MINTS, "a\0b", "\0", " 1", "1 ", "0x10", "\ufeff", "1e5"]
        ),
        st.integers(min_value=-(2**63), max_value=2**63 - 1),
        st.floats(allow_nan=False),
        # Surrogates cannot be bound; odd_texts covers them.
        st.text(st.characters(codec="utf-8"), max_size=6),
        odd_texts(),
        st.sampled_from([b"", b"1", b"e90867f9", b"\x80\x04\x95.", b"{}", b"2026-01-17"]),
        st.binary(max_size=4),
    )


def orders() -> SearchStrategy[Cell]:
    """The JSON of orders: members of every type, missing ones, any white space."""
    members = st.fixed_dictionaries(
        {
            "type": st.sampled_from(["TAKE_PROFIT", "stop_loss", "LIMIT", "MARKET", "TRAILING", 1, None]),
            "status": st.sampled_from(["ACTIVE", "EXECUTING", "COMPLETED", "FAILED", "cancelled", "LOST", None]),
            "amount_sol": st.sampled_from([1, 0.1 + 0.2, "0.5", None, 2**63, True]),
        },
        optional={
            "side": st.sampled_from(["sell", "BUY", "", 3]),
            "token_mint": st.sampled_from([*MINTS, None, 5]),
            "target_price": st.sampled_from([0.00012345678901234567, 3, None, "7"]),
            "created_at": st.sampled_from([*TIMES, 5, None]),
            "triggered_at": st.sampled_from([*TIMES, None]),
            "triggered_price": st.sampled_from([0.1, 2, None, "x"]),
            "note": st.sampled_from(["a\0b", "é", "\ud800", '"', "\\"]),
        },
    )
    separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:")])
    return st.builds(_dumped, members, separators, st.booleans()) | st.sampled_from(JSONS)


def _dumped(members: Mapping[str, object], separators: tuple[str, str], ascii_only: bool) -> Cell:
    text = json.dumps(members, separators=separators, ensure_ascii=ascii_only)
    octets = text.encode("utf-8", "surrogatepass")
    return OddText(octets) if _not_utf8(octets) else text


@cache
def words(table: str, column: str) -> tuple[str, ...]:
    """Return the words that a mapping or a CHECK compares a *column* with."""
    sql, names = [], {column}
    for mapping in mapping_reader.mappings():
        if table in (mapping.source_table, mapping.table):
            sql.append(mapping.forward)
            names |= set(mapping.uses.get(column, ())) if table == mapping.source_table else set()
            sql += [
                check.expression
                for shape in schema_reader.target(mapping.target).tables
                if shape.name == mapping.table
                for check in shape.checks
            ]
    words = {
        literal.name
        for text in sql
        for compared in sqlglot.parse_one(text, read="sqlite").find_all(exp.In, exp.EQ, exp.Case)
        if names & {named.name for named in compared.find_all(exp.Column)}
        for literal in compared.find_all(exp.Literal)
        if literal.is_string
    }
    return tuple(sorted(words)) or ("Some Words", "/start", "")


def meanings(column: Column, table: str) -> SearchStrategy[Cell]:
    """Values of *column* of *table* as the bot writes them, and NULL if allowed."""
    if column.name.lower() == "order_json":
        return orders()
    pool = _meant(column.name.lower(), column.type.upper(), table, key=bool(column.primary_key))
    return st.sampled_from(pool if column.not_null or column.primary_key else (*pool, None))


def _meant(name: str, declared: str, table: str, *, key: bool) -> Sequence[Cell]:
    if "INT" in declared:
        return INTEGER_KEYS[:4] if key else INTEGER_KEYS[:6]
    if "REAL" in declared:
        return EPOCHS if _TIME_NAME.search(name) else REALS[:6]
    if declared == "BLOB":
        return (b"\x80\x04\x95.", b"", "text in a blob")
    return next((pool for pattern, pool in _BY_NAME if pattern.search(name)), None) or words(table, name)
