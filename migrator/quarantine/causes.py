"""Says why a constraint refuses rows, and what would let one in: in words, by the legacy columns that the rows have.

A constraint is about target columns.  Which legacy columns these are computed from is read from the mapping, as is the
rule by which one of several rows is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import sqlglot
from sqlglot import exp

from migrator.mapping import reader as mapping_reader
from migrator.mapping import sql_functions
from migrator.mapping.model import TableMapping
from migrator.quarantine import toml_cells
from migrator.quarantine.rows import QuarantinedRow
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.model import Schema
from migrator.system.connections import quoted
from migrator.system.shell import quoted as quoted_word

#: Longest text of a cell in a sentence [characters].
_SHOWN = 60
#: The legacy column that holds an order as JSON, and its member for a target column.
_ORDER = "order_json"
_MEMBERS = MappingProxyType({"order_type": "type", "side": "side", "status": "status", "amount_sol": "amount_sol"})
#: Legacy table and constraint -> why, where the columns alone do not say it.
_IN_WORDS = MappingProxyType(
    {
        ("jarvis.treasury_orders", "NOT NULL symbol"): "no row of jarvis.positions names the order",
        ("jarvis.treasury_orders", "NOT NULL amount_sol"): "the order states no amount in SOL",
        ("whales.whale_movements", "NOT NULL amount_sol"): "the amount is in another token than SOL",
        ("rate_limiter.request_log", "NOT NULL user_id"): "scope_key names no user",
    }
)
#: Column of a position -> how the type of the orders begins that it names.
_NAMED_BY = MappingProxyType({"tp_order_id": "take", "sl_order_id": "stop"})
#: Why a row may be in its table before it is resolved.
_BY_ITSELF = "if the bot writes that through a legacy name, the row may come in by itself"
#: Before the lines of a decision.
_DECISION = "a decision in migrator.toml, [[decisions.rows]]:"
_KINDS = ("NOT NULL", "CHECK", "FOREIGN KEY", "PRIMARY KEY", "UNIQUE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A constraint, as the quarantine names it.

    Attributes:
        kind: ``NOT NULL``, ``CHECK``, ``FOREIGN KEY``, ``PRIMARY KEY`` or ``UNIQUE``.
        columns: The columns that it is about: of the target, or of the legacy table for a row without a key.
        condition: The expression of a CHECK, or the condition of a partial UNIQUE; '' for none.
        allowed: The words that a CHECK lists.
    """

    kind: str
    columns: tuple[str, ...]
    condition: str = ""
    allowed: tuple[str, ...] = ()


@cache
def constraint(broken: str) -> Constraint:
    """Return the constraint that the quarantine names *broken*; of no kind if it is not one of migrator's names."""
    kind = next((kind for kind in _KINDS if broken.startswith(f"{kind} ")), "")
    what = broken.removeprefix(f"{kind} ")
    if kind != "CHECK":
        names, _, condition = what.partition(" WHERE ")
        return Constraint(kind=kind, columns=tuple(names.split(", ")), condition=condition)
    tree = sqlglot.parse_one(what, read="sqlite")
    return Constraint(
        kind=kind,
        columns=tuple(dict.fromkeys(column.name for column in tree.find_all(exp.Column))),
        condition=what,
        allowed=tuple(word.name for word in tree.expressions) if isinstance(tree, exp.In) else (),
    )


def cause(row: QuarantinedRow) -> str:
    """Return why rows such as *row* are refused: of the same legacy table, by the same constraint; no cell of *row* is in it."""
    broken = constraint(row.broken)
    fed, names = _fed(row, broken), _listed(broken.columns)
    if row.key is None:
        return (
            f"{names} is NULL: no key names the row" if broken.kind == "NOT NULL" else f"several rows have one {names}"
        )
    legacy, parent = _subject(row, broken, fed), _parent(row, broken.columns[0])
    several = len(fed) > 1 and legacy == _listed(fed)
    found = _IN_WORDS.get((row.source, row.broken), "the constraint is not one of the specification")
    if found in _IN_WORDS.values():
        pass
    elif broken.kind == "NOT NULL":
        found = _missing(legacy, names, parent, several=several)
    elif broken.kind == "CHECK":
        among = f"{'give' if several else 'is'} none of {', '.join(broken.allowed)}"
        found = f"{legacy} {among}" if broken.allowed else f"{legacy} is out of range: {broken.condition}"
    elif broken.kind == "FOREIGN KEY":
        found = f"{legacy} names no row of {_sources(parent)}"
    elif broken.kind == "UNIQUE":
        found = f"another row has the same {names}" + (f", both with {broken.condition}" if broken.condition else "")
    elif broken.kind == "PRIMARY KEY":
        found = f"{legacy} is no integer, or another row has it"
    return found


def cause_of(row: QuarantinedRow, others: Collection[QuarantinedRow]) -> str:
    """Return why *row* is refused, with the parent that it names; *others* are the quarantined rows of the set."""
    named = _named_parent(row)
    if named is None:
        return cause(row)
    legacy = f"{named.source} has {named.column} {_shown(named.value)}"
    if _quarantined(named, others):
        return f"the row of {legacy.replace(' has ', ' with ', 1)} is in quarantine too"
    return f"no row of {legacy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parent:
    """The legacy row that a quarantined row names and that is not in the target table.

    Attributes:
        source: Its legacy table with its database.
        column: The column by which it is named.
        cell: What this column holds in it, as the quarantine keeps a cell.
    """

    source: str
    column: str
    cell: Any

    @property
    def value(self) -> Any:
        """The cell in its storage class."""
        return sql_functions.value_of(self.cell)


def _named_parent(row: QuarantinedRow) -> _Parent | None:
    """Return the parent that *row* names by a value, if it is refused for lack of it."""
    broken = constraint(row.broken)
    mapping = _mapping(row)
    if row.key is None or mapping is None or broken.kind not in ("NOT NULL", "FOREIGN KEY"):
        return None
    if not _parent(row, broken.columns[0]):
        return None
    for legacy in _fed(row, broken):
        if row.value(legacy) not in (None, "") and (place := next(iter(mapping.follows.get(legacy, ())), "")):
            source, _, column = place.rpartition(".")
            return _Parent(source=source, column=column, cell=row.cells[legacy])
    return None


def _quarantined(named: _Parent, others: Collection[QuarantinedRow]) -> QuarantinedRow | None:
    """Return the row *named* as a parent, if it is one of the quarantined rows *others*."""
    return next(
        (row for row in others if row.source == named.source and row.cells.get(named.column) == named.cell), None
    )


def _missing(legacy: str, names: str, parent: str, *, several: bool) -> str:
    """Return why a column that may not be NULL has no value."""
    if parent:
        return f"{legacy} names no row of {_sources(parent)}"
    if names == "token_address":
        return f"no token address is known for {legacy}"
    return f"{legacy} {'have' if several else 'has'} no usable value" + ("" if legacy == names else f" for {names}")


def because(row: QuarantinedRow, connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the cells of *row* that break the constraint, and of a UNIQUE the row that was kept; *connection* reads its target."""
    broken = constraint(row.broken)
    for column in _fed(row, broken):
        if column == _ORDER and row.key is not None:
            yield _of_order(row, broken)
        elif column in row.cells:
            yield f"{column} is {_shown(row.value(column))}"
    if broken.kind == "UNIQUE" and row.key is not None:
        yield _kept(row, broken, connection)


def remedies(row: QuarantinedRow, others: Collection[QuarantinedRow] = ()) -> Iterator[str]:
    """Yield what would let *row* in, one sentence each; *others* are the quarantined rows of the set."""
    yield from _in_file(row, others)
    several = "; leave out of set what stays as it is" if len(_settable(row)) > 1 else ""
    for decision in _decisions(row, others):
        yield f"{_DECISION} {decision}{several if ', set = ' in decision else ''}"


def leaving_out(row: QuarantinedRow) -> str:
    """Return the decision that leaves *row* in quarantine; with money at stake it is about the row as it is now."""
    was = f", was = {toml_cells.inline_table(row.cells)}" if row.key is not None and row.money else ""
    return f'{_DECISION} {_named(row)}, drop = "why it may stay out"{was}'


def remedies_in_use(row: QuarantinedRow, others: Collection[QuarantinedRow] = ()) -> Iterator[str]:
    """Yield what would let *row* into the set in use after a cutover, where no legacy file and no decision is read again."""
    broken, named, settable = constraint(row.broken), _named_parent(row), _settable(row)
    namesakes = {other.source for other in others if other.handle == row.handle}
    key = f"{row.source}:{row.handle}" if len(namesakes) > 1 else row.handle
    resolve = f"migrator quarantine resolve {quoted_word(key)}"
    if row.key is None:
        yield f"{resolve}{''.join(f' --set {quoted_word(column)}=VALUE' for column in broken.columns)}"
    elif broken.kind in ("UNIQUE", "PRIMARY KEY"):
        yield f"once no other row has the same {_listed(broken.columns)}: {resolve}"
    elif places := _naming(row, broken):
        yield f"once a row of {places[0][0]} names it in {' or '.join(column for _, column in places)}: {resolve}; {_BY_ITSELF}"
    elif named and (waits_for := _quarantined(named, others)):
        yield f"let that row in: migrator quarantine explain {quoted_word(f'{waits_for.source}:{waits_for.handle}')}"
    elif named:
        yield f"once {named.source} has a row with {named.column} {_shown(named.value)}: {resolve}; {_BY_ITSELF}"
    if settable:
        words = f"; the words that it may have: migrator explain {row.source}.{next(iter(settable))}"
        cells = "".join(f" --set {quoted_word(column)}=VALUE" for column in settable)
        several = "; leave out what stays as it is" if len(settable) > 1 else ""
        yield f"{resolve}{cells}{several}{words if broken.allowed else ''}"


def _in_file(row: QuarantinedRow, others: Collection[QuarantinedRow]) -> Iterator[str]:
    """Yield what would let *row* in without a decision about single rows."""
    broken = constraint(row.broken)
    fed = _fed(row, broken)
    legacy, file = _subject(row, broken, fed), _file(row.source)
    parent, named = _parent(row, broken.columns[0]), _named_parent(row)
    if row.key is None:
        yield f"give the row a value of its own in {_listed(broken.columns)} in {file}"
    elif broken.kind == "UNIQUE" and row.target == "core.positions":
        if not broken.condition and row.value("status") != "open":
            yield '[decisions] amendments = ["position_history"], which lets in all but a second open position of each token'
        else:
            yield f"close one of the two open positions in {file}"
    elif row.broken == "NOT NULL amount_sol" and row.target == "core.treasury_orders":
        yield '[decisions] order_amount_sol = "position", which takes the amount of an order from its position'
    elif places := _naming(row, broken):
        yield f"name the order in {' or '.join(column for _, column in places)} of its position in {_file(places[0][0])}"
    elif named and (waits_for := _quarantined(named, others)):
        yield f"let that row in: migrator quarantine explain {quoted_word(f'{waits_for.source}:{waits_for.handle}')}"
    elif parent:
        yield f"correct {legacy} in {file}, or add the row that it means to {_sources(parent)}"
    elif broken.allowed:
        column = f"{row.source}.{fed[0]}"
        yield f"correct {legacy} in {file}; the words that it may have: migrator explain {column}"
    else:
        yield f"correct {legacy} in {file}"


def _decisions(row: QuarantinedRow, others: Collection[QuarantinedRow]) -> Iterator[str]:
    """Yield the lines of each decision that would let *row* in, with ``...`` for each value to fill in."""
    broken = constraint(row.broken)
    if row.key is None:
        return
    if broken.kind == "UNIQUE":
        yield f"{_named(row)}, keep = true"
        return
    for source, column in _naming(row, broken):
        cells = toml_cells.inline_table({column: toml_cells.key_of(row)})
        yield f"table = {toml_cells.cell(source)}, key = ..., set = {cells}, was = {{ {column} = ... }}"
    if was := _settable(row):
        new = ", ".join(f"{toml_cells.name(column)} = ..." for column in was)
        yield f"{_named(row)}, set = {{ {new} }}, was = {toml_cells.inline_table(was)}"
    named = _named_parent(row)
    if named is not None and not _quarantined(named, others):
        yield from _making(named)


def _making(named: _Parent) -> Iterator[str]:
    """Yield the lines of the decision that makes the row *named* as a parent, with the cells without which it is refused."""
    mapping = next((one for one in mapping_reader.mappings() if one.source == named.source and not one.stub), None)
    if mapping is None:
        return
    needed = _needed(schema_reader.target(mapping.target), mapping.table)
    needed_there = {
        column
        for known in catalogue.legacy_databases()
        if known.name == mapping.database
        for column in _needed(schema_reader.read(known.ddl), mapping.source_table)
    }
    cells = {
        legacy: toml_cells.cell(named.cell) if legacy == named.column else "..."
        for legacy in mapping.legacy_columns
        if legacy == named.column or legacy in needed_there or needed.intersection(mapping.uses.get(legacy, ()))
    }
    key = cells.pop(mapping.key, "...")
    made = ", ".join(f"{toml_cells.name(legacy)} = {cell}" for legacy, cell in cells.items())
    yield f"table = {toml_cells.cell(named.source)}, key = {key}, make = {{ {made} }}"


def _needed(schema: Schema, table: str) -> set[str]:
    """Return the columns of *table* without which a row is refused."""
    shapes = (shape for shape in schema.tables if shape.name == table)
    return {column.name for shape in shapes for column in shape.columns if column.not_null and column.default is None}


def _named(row: QuarantinedRow) -> str:
    return f"table = {toml_cells.cell(row.source)}, key = {toml_cells.cell(toml_cells.key_of(row))}"


def _settable(row: QuarantinedRow) -> dict[str, Any]:
    """Return the cells that break the constraint and that a decision can set: the key identifies the row, and stays."""
    broken, mapping = constraint(row.broken), _mapping(row)
    if row.key is None or broken.kind == "UNIQUE":
        return {}
    target, _, table = row.target.partition(".")
    key = mapping.key if mapping is not None else mapping_reader.target_key(schema_reader.target(target), table)
    return {column: row.cells[column] for column in _fed(row, broken) if column in row.cells and column != key}


def _naming(row: QuarantinedRow, broken: Constraint) -> list[tuple[str, str]]:
    """Return legacy table and column of the rows by which *row* has a value, if its key is all that the value comes from."""
    mapping = _mapping(row)
    if mapping is None or broken.kind != "NOT NULL" or _fed(row, broken) != (mapping.key,):
        return []
    places = [place.rpartition(".")[::2] for place in mapping.follows.get(mapping.key, ())]
    kind = str((row.order or {}).get("type")).lower()
    fitting = [place for place in places if kind.startswith(_NAMED_BY.get(place[1], " "))]
    return fitting or places


def _kept(row: QuarantinedRow, broken: Constraint, connection: sqlite3.Connection) -> str:
    """Return which row was kept instead of *row*, by the cells that decided."""
    mapping = _mapping(row)
    target, _, table = row.target.partition(".")
    key = mapping_reader.target_key(schema_reader.target(target), table)
    columns = mapping_reader.target_columns(schema_reader.target(target), table)
    decided = [name for name in columns if mapping is not None and name in mapping.keep.replace(",", " ").split()]
    conditions, values = [], []
    for name in broken.columns:
        given = [row.value(legacy) for legacy in _fed_by(row, name)]
        conditions.append(f"t.{quoted(name)} IN ({', '.join('?' * len(given))})")
        values += given
    if broken.condition:
        conditions.append(f"({broken.condition})")
    shown = ", ".join(["l.source", "l.legacy_key", *(f"t.{quoted(name)}" for name in decided)])
    found = connection.execute(
        f"SELECT {shown} FROM {quoted(table)} AS t JOIN lineage AS l ON l.target = ? AND l.target_id = +t.{quoted(key)}"
        f" WHERE {' AND '.join(conditions)} ORDER BY t.{quoted(key)} LIMIT 1",
        (table, *values),
    ).fetchone()
    rule = f"; of several rows {_rule(mapping.keep if mapping is not None else '')} is kept"
    if found is None:
        return f"another row with the same {_listed(broken.columns)} was kept{rule}"
    source, kept, *cells = found
    facts = ", ".join(f"{name} {_shown(cell)}" for name, cell in zip(decided, cells, strict=True))
    return f"{source} {_shown(kept)} was kept{f': {facts}' if facts else ''}{rule}"


def _rule(keep: str) -> str:
    """Return in words which row the ORDER BY terms *keep* put first."""
    if not keep:
        return "the one with the least key"
    if keep.startswith("status <> 'open'"):
        return "an open one, then the latest,"
    return f"the one with the earliest {keep.split(maxsplit=1)[0]}"


def _subject(row: QuarantinedRow, broken: Constraint, fed: Sequence[str]) -> str:
    """Return what the legacy row has wrong: columns, or a member of the JSON of an order."""
    member = _MEMBERS.get(broken.columns[0]) if row.key is not None and _ORDER in fed else None
    return f"{member} in {_ORDER}" if member else _listed(fed)


def _of_order(row: QuarantinedRow, broken: Constraint) -> str:
    """Return what the JSON of an order says about the column that breaks the constraint."""
    order = row.order
    if order is None:
        return f"{_ORDER} is no text with a JSON object"
    member = _MEMBERS.get(broken.columns[0], broken.columns[0])
    return f"{member} in {_ORDER} is {_shown(order[member])}" if member in order else f"{_ORDER} has no {member}"


def _sources(parent: str) -> str:
    """Return the legacy tables of a target table."""
    sources = [
        one.source for one in mapping_reader.mappings() if f"{one.target}.{one.table}" == parent and not one.stub
    ]
    return " or ".join(dict.fromkeys(sources)) or parent


def _fed(row: QuarantinedRow, broken: Constraint) -> tuple[str, ...]:
    """Return the legacy columns from which the columns of *broken* are computed."""
    if row.key is None:
        return broken.columns
    return tuple(dict.fromkeys(legacy for name in broken.columns for legacy in _fed_by(row, name)))


def _fed_by(row: QuarantinedRow, column: str) -> tuple[str, ...]:
    mapping = _mapping(row)
    fed = (legacy for legacy, used in mapping.uses.items() if column in used) if mapping is not None else ()
    return tuple(fed) or (column,)


def _mapping(row: QuarantinedRow) -> TableMapping | None:
    """Return the mapping of *row*; None for a legacy table of the target's own shape."""
    target, _, table = row.target.partition(".")
    of_row = (row.source, target, table)
    if not set(row.cells) - set(mapping_reader.target_columns(schema_reader.target(target), table)):
        return None
    return next((one for one in mapping_reader.mappings() if (one.source, one.target, one.table) == of_row), None)


def _parent(row: QuarantinedRow, column: str) -> str:
    """Return the table to which the target *column* refers, with its database; '' for none."""
    target, _, table = row.target.partition(".")
    shapes = [shape for shape in schema_reader.target(target).tables if shape.name == table]
    keys = (key for shape in shapes for key in shape.foreign_keys if key.columns == (column,))
    return next((f"{target}.{key.parent}" for key in keys), "")


def _file(source: str) -> str:
    """Return the path of the legacy file of *source* below the data directory, as it is known."""
    database = source.partition(".")[0]
    return next((str(known.place) for known in catalogue.legacy_databases() if known.name == database), source)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def _shown(cell: Any) -> str:
    if cell is None:
        return "NULL"
    if isinstance(cell, bytes):
        return f"{len(cell):,} bytes"
    if isinstance(cell, str):
        return repr(cell if len(cell) <= _SHOWN else f"{cell[:_SHOWN]}...")
    return str(cell)
