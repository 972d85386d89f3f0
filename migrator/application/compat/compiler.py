"""Compiles the plans of mirrors: from the mappings, the specification, and the schemas of the legacy files at the cutover."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import sqlglot
from sqlglot import exp

from migrator.application.compat.plan import LegacyDatabase, LegacyTable, Lookup, Plan, Source, Target
from migrator.mapping import lookups as mapping_lookups
from migrator.mapping import reader as mapping_reader
from migrator.mapping.model import TableMapping
from migrator.mapping.refusals import refusals_of
from migrator.quarantine import decisions as quarantine_decisions
from migrator.records.decisions import Kind
from migrator.records.plan import Fate, PlannedTable
from migrator.schema import declaration, specified
from migrator.schema.model import Schema
from migrator.switch.state import Name, Switch
from migrator.system import connections, rowids, virtual_tables
from migrator.system.connections import folded, quoted

#: Kinds of schema entries in the order in which they can be made.
_ORDER = ("table", "index", "view", "trigger")
#: Stands in a predicate for the work table, whose name depends on the target table.
WORK = "temp.forward"


def compile_plan(switch: Switch, target: str) -> Plan:
    """Return the plan of the consolidated database *target* of the cutover *switch*.

    Raises:
        sqlite3.Error: A legacy file of the backup cannot be read.
        MappingError: A mapping is wrong.
    """
    databases = databases_of(switch, target)
    schema = specified.chosen(switch.amendments).schema(target)
    planned = [table for table in switch.tables if table.source.partition(".")[0] in databases]
    mappings = [mapping for table in planned for mapping in mapping_reader.sources_of(table)]
    mappings = [mapping for mapping in mappings if mapping.target == target]
    parents = [name for name in mapping_reader.in_order(target) if any(one.table == name for one in mappings)]
    known = {table.source: table.variant for table in switch.tables}
    required = {name.database: _required(switch, name) for name in switch.names if name.target == target}
    return Plan(
        target=target,
        databases=MappingProxyType(databases),
        targets=tuple(_target(schema, target, name, mappings, switch, required) for name in parents),
        stubs=tuple(_source(mapping, schema, switch, required) for mapping in mappings if mapping.stub),
        lookups=MappingProxyType(
            {lookup.name: _lookup(lookup, known, databases.keys()) for lookup in mapping_lookups.lookups()}
        ),
    )


def databases_of(switch: Switch, target: str) -> dict[str, LegacyDatabase]:
    """Return the legacy databases that the cutover *switch* turns into *target*, by name.

    Raises:
        sqlite3.Error: A legacy file of the backup cannot be read.
    """
    fates = {table.source: table for table in switch.tables}
    return {name.database: _database(switch, name, fates) for name in switch.names if name.target == target}


def _database(switch: Switch, name: Name, fates: Mapping[str, PlannedTable]) -> LegacyDatabase:
    """Return the legacy database *name*, as its file in the backup declares it."""
    with closing(connections.lenient(connections.read(_file(switch, name)))) as connection:
        shadows = {table for (table,) in connection.execute("SELECT name FROM pragma_table_list WHERE type = 'shadow'")}
        entries = [
            entry
            for entry in connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
            if entry[3] and entry[1] not in shadows and not entry[1].startswith("sqlite_")
        ]
        listed = [entry for kind in _ORDER for entry in entries if entry[0] == kind]
        marks = tuple(int(connection.execute(f"PRAGMA {mark}").fetchone()[0]) for mark in connections.MARKS)
        tables = {
            folded(table): _table(connection, table, sql, fates.get(f"{name.database}.{table}"), name.target)
            for kind, table, _, sql in listed
            if kind == "table"
        }
        return LegacyDatabase(
            name=name.database,
            place=str(name.place),
            schema=tuple((kind, entry, table, sql) for kind, entry, table, sql in listed),
            marks=marks,
            sequence=MappingProxyType(_sequence(connection)),
            tables=MappingProxyType(
                {
                    key: _checked_index(table, tables, {folded(entry): made for _, entry, _, made in listed})
                    for key, table in tables.items()
                }
            ),
        )


def _checked_index(table: LegacyTable, tables: Mapping[str, LegacyTable], declared: Mapping[str, str]) -> LegacyTable:
    """Return *table*; as left behind if it is a virtual table that no served table of its database can fill.

    *declared* is folded name -> the statement that makes the object.
    """
    content = tables.get(folded(table.content))
    if table.kind != "index":
        return table
    why = "it is no full-text index over a table whose rows are in the consolidated set"
    if content is not None and content.kind in ("mapped", "carried"):
        why = _why_not_rebuilt(table.name, declared[folded(table.name)], declared[folded(content.name)])
    return replace(table, kind="left", content="", why=why) if why else table


def _why_not_rebuilt(index: str, made: str, content: str) -> str:
    """Return why SQLite cannot build the full-text *index* from its content, such as a column that is not there; else ''."""
    with closing(connections.memory()) as connection:
        try:
            for statement in (content, made, f"INSERT INTO {quoted(index)} ({quoted(index)}) VALUES ('rebuild')"):
                connection.execute(statement)
        except sqlite3.OperationalError as error:
            return f"SQLite cannot build it from its content ({error})"
    return ""


def _file(switch: Switch, name: Name) -> Path:
    """Return the legacy database *name* as it was at the cutover."""
    snapshot = switch.snapshot / name.place
    return snapshot if snapshot.is_file() else switch.originals / name.place


def _sequence(connection: sqlite3.Connection) -> dict[str, int]:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    return dict(connection.execute("SELECT name, max(CAST(seq AS INTEGER)) FROM sqlite_sequence GROUP BY 1"))


def _table(
    connection: sqlite3.Connection, name: str, sql: str, planned: PlannedTable | None, target: str
) -> LegacyTable:
    columns = connection.execute(
        "SELECT name, type, pk FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", (name,)
    ).fetchall()
    primary = tuple(column for column, _, pk in sorted(columns, key=lambda one: one[2]) if pk)
    without_rowid = declaration.is_without_rowid(connection, "main", name)
    identity = primary if without_rowid else (rowids.rowid_name(connection, "main", name),)
    uniques, opaque = [primary] if primary else [], False
    for index in connection.execute('SELECT name FROM pragma_index_list(?) WHERE "unique"', (name,)).fetchall():
        over = tuple(column for (column,) in connection.execute("SELECT name FROM pragma_index_info(?)", index))
        opaque = opaque or None in over
        uniques.append(over)
    kind, into, why = _kind(planned, target, columns, identity)
    module = sql.lstrip()[:14].upper() == "CREATE VIRTUAL"
    if module and kind == "left":
        kind = "index"
    elif module:
        kind, why = "left", f"it is a virtual table; {into} of the consolidated schema has its rows"
    return LegacyTable(
        name=name,
        kind=kind,
        into=into,
        columns=tuple(column for column, _, _ in columns),
        types=tuple(declared for _, declared, _ in columns),
        identity=identity,
        uniques=tuple(dict.fromkeys(over for over in uniques if None not in over)),
        opaque=opaque,
        rowid="" if module else rowids.rowid(connection, "main", name),
        autoincrement="AUTOINCREMENT" in sql.upper(),
        references=_references(connection, name),
        content=(virtual_tables.content_of(sql) or "") if module else "",
        why=why,
    )


def _kind(
    planned: PlannedTable | None, target: str, columns: list[tuple[str, str, int]], identity: tuple[str, ...]
) -> tuple[str, str, str]:
    """Return kind, table in the consolidated database and, for a table that cannot be served, the reason."""
    if planned is None or planned.fate not in (Fate.MAPPED, Fate.CARRIED):
        return "left", "", "the consolidated set does not have its rows"
    home, _, into = planned.into.partition(".")
    if home != target:
        return "left", "", f"its rows are in {planned.into}, another database than the rest of its file"
    if not all(identity):
        return "left", "", "columns have all three names of the rowid"
    if len(columns) >= rowids.MOST_COLUMNS - 1:
        return "left", "", f"it has {len(columns)} columns"
    return planned.fate.value, into, ""


def _references(
    connection: sqlite3.Connection, table: str
) -> tuple[tuple[tuple[str, ...], str, tuple[str, ...], str, str], ...]:
    keys: dict[int, list[tuple[str, str, str, str, str]]] = {}
    for number, parent, child, column, on_update, on_delete in connection.execute(
        'SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(?) ORDER BY id, seq',
        (table,),
    ):
        keys.setdefault(number, []).append((parent, child, column, on_delete, on_update))
    made = []
    for parts in keys.values():
        parent, _, _, on_delete, on_update = parts[0]
        columns = tuple(part[2] for part in parts if part[2] is not None)
        if not columns:
            asked = "SELECT name FROM pragma_table_info(?) WHERE pk ORDER BY pk"
            columns = tuple(column for (column,) in connection.execute(asked, (parent,)))
        made.append((tuple(part[1] for part in parts), parent, columns, on_delete, on_update))
    return tuple(made)


def _target(
    schema: Schema,
    target: str,
    name: str,
    mappings: list[TableMapping],
    switch: Switch,
    required: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> Target:
    shape = next((table for table in schema.tables if table.name == name), None)
    sources = [mapping for mapping in mappings if mapping.table == name]
    rows = [mapping for mapping in sources if not mapping.stub]
    key, columns = mapping_reader.target_key(schema, name), mapping_reader.target_columns(schema, name)
    types = {column.name: column.type for column in shape.columns} if shape else {}
    uniques: list[tuple[tuple[str, ...], str, str]] = []
    if shape:
        if not any(mapping.number for mapping in sources):
            uniques.append(((key,), f"PRIMARY KEY {key}", ""))
        for unique in schema.uniques(name):
            over = tuple(str(column.name) for column in unique.columns)
            uniques.append((over, unique.constraint, unique.where or ""))
    return Target(
        name=name,
        key=key,
        columns=columns,
        types=tuple(types.get(column, "") for column in columns),
        virtual=shape is None,
        autoincrement=bool(shape and shape.autoincrement),
        references=tuple((one.columns[0], one.parent, one.on_delete) for one in (shape.foreign_keys if shape else ())),
        uniques=tuple(uniques),
        refusals=tuple(
            (one.broken, one.where, one.chooses)
            for one in refusals_of(
                schema, name, target, sources, WORK, first=quarantine_decisions.kept_first(switch.decided, rows)
            )
        ),
        sources=tuple(_source(mapping, schema, switch, required) for mapping in rows),
        made=any(row.kind is Kind.MAKE and row.source == mapping.source for row in switch.decided for mapping in rows),
    )


def _source(
    mapping: TableMapping,
    schema: Schema,
    switch: Switch,
    required: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> Source:
    given = mapping.given(switch.constants)
    names = {lookup.name for lookup in mapping_lookups.lookups()}
    return Source(
        source=mapping.source,
        database=mapping.database,
        table=mapping.source_table,
        target=mapping.table,
        key=mapping.key,
        number=mapping.number,
        keep=mapping.keep,
        parts=mapping.parts,
        stub=bool(mapping.stub),
        takes=mapping.takes,
        together=mapping.together,
        forward=_with_constants(mapping.forward, given),
        back=_with_constants(mapping.back, given),
        given=mapping.columns,
        columns=mapping.legacy_columns if mapping.back else (),
        uses=mapping.uses,
        follows=mapping.follows,
        lookups=tuple(name[4:] for name in mapping.reads if name.startswith("ids.") and name[4:] in names),
        required=_texts(mapping, schema, required[mapping.database].get(folded(mapping.source_table), ())),
        last_resorts=_last_resorts(mapping, schema),
        parents=MappingProxyType(_parents(mapping, schema)),
        names=_named(mapping),
        decided=tuple(
            dict.fromkeys(
                column
                for row in switch.decided
                if row.kind is Kind.SET and row.source == mapping.source
                for column in row.cells
            )
        ),
    )


def _parents(mapping: TableMapping, schema: Schema) -> dict[str, tuple[str, ...]]:
    """Return target table -> its columns that the SELECTs of *mapping* read; another table's column of the name counts too."""
    columns = {table.name: {column.name for column in table.columns} for table in schema.tables}
    parents: dict[str, set[str]] = {}
    for sql in filter(None, (mapping.forward, mapping.back)):
        select = _select(sql)
        for table in select.find_all(exp.Table):
            if table.db == mapping.target and table.name in columns and table.name != mapping.table:
                alias = table.alias_or_name
                read = {column.name for column in select.find_all(exp.Column) if column.table == alias}
                parents.setdefault(table.name, set()).update(read & columns[table.name])
    return {name: tuple(sorted(read)) for name, read in sorted(parents.items())}


def _named(mapping: TableMapping) -> tuple[str, ...]:
    """Return the target tables other than its own whose lineage the back SELECT of *mapping* joins."""
    if not mapping.back:
        return ()
    compared = [
        (one.this, one.expression) for one in _select(mapping.back).find_all(exp.EQ) if isinstance(one.this, exp.Column)
    ]
    named = {other.name for column, other in compared if column.name == "target" and isinstance(other, exp.Literal)}
    return tuple(sorted(named - {mapping.table}))


def _required(switch: Switch, name: Name) -> dict[str, tuple[str, ...]]:
    """Return table -> its columns of text that may not be NULL and have no default, of the legacy database *name*."""
    asked = (
        "SELECT t.name, c.name FROM pragma_table_list AS t JOIN pragma_table_info(t.name) AS c"
        " WHERE t.schema = 'main' AND c.\"notnull\" AND c.dflt_value IS NULL AND upper(c.type) = 'TEXT'"
    )
    required: dict[str, tuple[str, ...]] = {}
    with closing(connections.lenient(connections.read(_file(switch, name)))) as connection:
        for table, column in connection.execute(asked):
            required[folded(table)] = (*required.get(folded(table), ()), column)
    return required


def _texts(mapping: TableMapping, schema: Schema, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the legacy *columns* that hold no time: an empty text instead of a time would fail the application."""
    shape = next((table for table in schema.tables if table.name == mapping.table), None)
    times = {column.name for column in shape.columns if column.type == "TIMESTAMP"} if shape else set()
    return tuple(name for name in columns if name != mapping.key and times.isdisjoint(mapping.uses.get(name, ())))


def _last_resorts(mapping: TableMapping, schema: Schema) -> tuple[str, ...]:
    """Return the lookups that feed only columns which may not be NULL."""
    shape = next((table for table in schema.tables if table.name == mapping.table), None)
    required = {column.name for column in shape.columns if column.not_null} if shape else set()
    select = _select(mapping.forward)
    joined = {
        join.this.alias_or_name: join.this.name
        for join in select.find_all(exp.Join)
        if isinstance(join.this, exp.Table) and join.this.db == "ids"
    }
    feeds: dict[str, set[str]] = {}
    for projection in select.expressions:
        for column in projection.find_all(exp.Column):
            if column.table in joined:
                feeds.setdefault(joined[column.table], set()).add(projection.alias_or_name)
    # A lookup whose rows find those of another lookup is needed in any case.
    finding = {
        joined[column.table]
        for join in select.find_all(exp.Join)
        if join.args.get("on") is not None
        for column in join.args["on"].find_all(exp.Column)
        if column.table in joined and column.table != join.this.alias_or_name
    }
    return tuple(sorted(name for name, columns in feeds.items() if columns <= required and name not in finding))


def _select(sql: str) -> exp.Select:
    return sqlglot.parse_one(sql, read="sqlite").assert_is(exp.Select)


def _with_constants(sql: str, given: Mapping[str, str | None]) -> str:
    """Return *sql* with its parameters as literals."""

    def literal(match: re.Match[str]) -> str:
        if match[1] not in given:
            return match[0]
        value = given[match[1]]
        return "NULL" if value is None else "'" + value.replace("'", "''") + "'"

    return re.sub(r"(?<!:):([a-z]\w*)", literal, sql)


def _lookup(lookup: mapping_lookups.Lookup, variants: Mapping[str, str], databases: Collection[str]) -> Lookup:
    """Return *lookup* with the evidence that the consolidated database itself has."""
    evidence = tuple(_evidence(lookup, variants, databases))
    width = max((len(_select(sql).selects) for _, sql in evidence), default=1)
    return Lookup(name=lookup.name, columns=lookup.columns, evidence=evidence, gives=lookup.gives, width=width)


def _evidence(
    lookup: mapping_lookups.Lookup, variants: Mapping[str, str], databases: Collection[str]
) -> Iterator[tuple[str, str]]:
    for source, variant, statement in lookup.evidence:
        database = source.partition(".")[0]
        if database in databases and variants.get(source) == variant:
            yield source, statement
