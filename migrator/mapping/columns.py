"""Explains where each legacy table and column went; read from the mappings, the legacy schemas and the specification.

What becomes of a table that the files do not hold in their known shape, only ``migrator plan`` can say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache

import sqlglot
from sqlglot import exp

from migrator.mapping import conversions, examples, legacy_values, named_columns, traces, workload
from migrator.mapping import reader as mapping_reader
from migrator.mapping.explained import Destination, Explained, ExplainedColumn, ExplainedTable, Replacement
from migrator.mapping.lookups import lookups
from migrator.mapping.model import TableMapping
from migrator.mapping.refusals import refusals_of
from migrator.records.plan import Fate
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.schema.catalogue import LegacyDatabase
from migrator.schema.model import Column, Schema


def explain(meant: tuple[str, ...], name: str) -> Explained:
    """Return where each of the *meant* tables, or the one column, went; *name* is what a user called it.

    Raises:
        MappingError: A mapping file is wrong.
    """
    if len(meant) == 1 and meant[0] not in sources():
        source, _, column = meant[0].rpartition(".")
        whole = explained(source)
        return Explained(
            name=meant[0],
            tables=(
                replace(
                    whole,
                    columns=tuple(
                        explained_column for explained_column in whole.columns if explained_column.name == column
                    ),
                    statements=tuple(statement for statement in whole.statements if column in statement.columns),
                ),
            ),
        )
    return Explained(name=meant[0] if len(meant) == 1 else name, tables=tuple(explained(source) for source in meant))


@cache
def sources() -> tuple[str, ...]:
    """Return every legacy table that is known, with its database, in the order of the files."""
    return tuple(
        dict.fromkeys(f"{known.name}.{shape.table}" for known in catalogue.legacy_databases() for shape in known.shapes)
    )


@cache
def explained(source: str) -> ExplainedTable:
    """Return where the legacy table *source*, such as ``jarvis.positions``, went.

    Raises:
        KeyError: No such table is known.
        MappingError: Its mapping file is wrong.
    """
    database, _, table = source.partition(".")
    shapes = [
        known
        for known in catalogue.legacy_databases()
        if known.name == database and any(shape.table == table for shape in known.shapes)
    ]
    if not shapes:
        raise KeyError(source)
    mapping = next(
        (known_mapping for known_mapping in mapping_reader.mappings() if known_mapping.source == source), None
    )
    if mapping is not None:
        return _mapped(shapes[0], table, mapping)
    return _not_mapped(shapes, table)


_KEPT = "Keys and rowids are kept."
_DERIVED = "It is an index over other tables: it stays in the backup, and a rollback brings it back."
_CARRIED = "The specification has no table for it: rows are copied verbatim."


def carried_into(source: str) -> str:
    """Return the consolidated table to which *source* is copied verbatim; '' if it is not."""
    if fate(source) is not Fate.CARRIED:
        return ""
    database, _, table = source.partition(".")
    home = next(known.home for known in catalogue.legacy_databases() if known.name == database)
    return f"{home}.legacy_{database}_{table}"


def fate(source: str) -> Fate:
    """Return what becomes of the rows of the known table *source*."""
    database, _, table = source.partition(".")
    shapes = [known for known in catalogue.legacy_databases() if known.name == database]
    if shapes[0].standalone:
        return Fate.STANDALONE
    if any(mapping.source == source for mapping in mapping_reader.mappings()):
        return Fate.MAPPED
    return Fate.DERIVED if _is_virtual(shapes, table) else Fate.CARRIED


def _is_virtual(shapes: list[LegacyDatabase], table: str) -> bool:
    return any(virtual.name == table for shape in shapes for virtual in _schema(shape).virtual_tables)


def _not_mapped(shapes: list[LegacyDatabase], table: str) -> ExplainedTable:
    known = shapes[0]
    source = f"{known.name}.{table}"
    declared = {column.name: _declaration(column) for shape in shapes for column in _columns(_schema(shape), table)}
    into, becomes = carried_into(source), fate(source)
    into_file, keys, why = {
        Fate.STANDALONE: (known.place.name, _KEPT, "The file stays as it is; nothing has to change."),
        Fate.DERIVED: ("", "It has no rows of its own.", _DERIVED),
        Fate.CARRIED: (catalogue.TARGETS.get(known.home, ""), _KEPT, _CARRIED),
    }[becomes]
    return ExplainedTable(
        source=source,
        file=str(known.place),
        fate=becomes,
        into=into,
        into_file=into_file,
        keys=keys,
        why=why,
        columns=tuple(_carried(name, declaration, into) for name, declaration in declared.items()),
        lookups=_serving(source),
        statements=_statements(source),
    )


def _carried(name: str, declaration: str, into: str) -> ExplainedColumn:
    if not into:
        return ExplainedColumn(name=name, declared=declaration)
    return ExplainedColumn(
        name=name,
        declared=declaration,
        becomes=(Destination(column=f"{into}.{name}", declared=declaration),),
        reading=f"SELECT {name} FROM {into.partition('.')[2]}",
    )


def _mapped(known: LegacyDatabase, table: str, mapping: TableMapping) -> ExplainedTable:
    source = mapping.source
    judged = _Judged(mapping)
    example = examples.of(source)
    columns = tuple(
        judged.explained(column.name, _declaration(column), example) for column in _columns(_schema(known), table)
    )
    adds = tuple(
        f"{stub.target}.{stub.table}: {stub.stub}"
        for stub in mapping_reader.mappings()
        if stub.stub and f"{stub.database}.{stub.source_table}" == source
    )
    return ExplainedTable(
        source=source,
        file=str(known.place),
        fate=Fate.MAPPED,
        into=f"{mapping.target}.{mapping.table}",
        into_file=catalogue.TARGETS[mapping.target],
        keys=judged.keys(),
        why=mapping.why,
        columns=columns,
        quarantine=judged.quarantine(),
        adds=adds,
        lookups=_serving(source),
        statements=_statements(source),
    )


class _Judged:
    """A mapping beside the declaration of its target table."""

    def __init__(self, mapping: TableMapping) -> None:
        self.mapping = mapping
        schema = schema_reader.target(mapping.target)
        self.key = mapping_reader.target_key(schema, mapping.table)
        self.shape = next((table for table in schema.tables if table.name == mapping.table), None)
        self.refusals = tuple(refusals_of(schema, mapping.table, mapping.target, [mapping]))
        forward = traces.select(mapping.forward)
        self.forward = traces.traces(forward, {})
        self.back = traces.traces(traces.select(mapping.back), {mapping.target: _known(schema)})
        self.joined = {
            join.this.alias_or_name: f"{join.this.db}.{join.this.name}"
            for join in forward.find_all(exp.Join)
            if isinstance(join.this, exp.Table) and join.this.db
        }

    def explained(self, name: str, declared: str, example: examples.Example | None) -> ExplainedColumn:
        """Return where the column called *name* went."""
        used = [target for target in self.mapping.uses.get(name, ()) if target in self.mapping.columns]
        into = f"{self.mapping.target}.{self.mapping.table}"
        read = {column for table, column in self.back[name].reads if table == into}
        own = [target for target in used if target in read] or used
        if name == self.mapping.key:
            own = [self.key] if self.key in used else []
        kept = ""
        if legacy_values.is_in_rest(self.mapping, name):
            kept = "lineage.rest"
        elif not own:
            kept = "lineage.legacy_key" if name == self.mapping.key else "the choice of rows"
        becomes = tuple(self._destination(target, name) for target in own)
        if kept == "lineage.legacy_key":
            becomes = (self._new_id(),)
        shown = [self.key] if kept == "lineage.legacy_key" else own
        return ExplainedColumn(
            name=name,
            declared=declared,
            becomes=becomes,
            serves=tuple(f"{into}.{target}" for target in used if target not in own),
            kept=kept,
            reading=self._reading(name, own),
            example=None if self._is_own_branch(name, own) else example and example.of_column(name, shown),
        )

    def _is_own_branch(self, name: str, targets: list[str]) -> bool:
        """Return whether the column *name* goes to a row of its own, which the example of the table does not show."""
        return any(_own_branches(trace := self.forward[target].sql, name) is not trace for target in targets)

    def _reading(self, name: str, own: list[str]) -> str:
        if name == self.mapping.key and self.key in own:
            return f"SELECT {self.key} FROM {self.mapping.table}"
        return legacy_values.reading(self.mapping, name)

    def _destination(self, target: str, name: str) -> Destination:
        trace = self.forward[target]
        checks = [check for check in (self.shape.checks if self.shape else ()) if check.columns == (target,)]
        members = tuple(
            path
            for column, _, path in (member.partition(" ") for member in conversions.json_members(self.back[name].steps))
            if column == target
        )
        copied = isinstance(trace.sql, exp.Column) and trace.sql.name == name
        return Destination(
            column=f"{self.mapping.target}.{self.mapping.table}.{target}",
            declared=_declaration(next(column for column in self._target_columns() if column.name == target)),
            formula="" if copied or members else legacy_values.written(_without_source(_own_branches(trace.sql, name))),
            changes=() if members else conversions.sentences(trace.steps, name, self.joined),
            words=() if members else conversions.words(trace.steps, name),
            allowed=tuple(value for check in checks for value in _allowed(check.expression)),
            members=members,
            refuses=tuple(dict.fromkeys(refusal.broken for refusal in self.refusals if target in refusal.columns)),
        )

    def _new_id(self) -> Destination:
        """Return the target's key, which is numbered anew."""
        key = next(column for column in self._target_columns() if column.name == self.key)
        return Destination(
            column=f"{self.mapping.target}.{self.mapping.table}.{self.key}",
            declared=_declaration(key),
            changes=("a new integer; lineage.legacy_key keeps the old key",),
        )

    def _target_columns(self) -> tuple[Column, ...]:
        if self.shape is not None:
            return self.shape.columns
        names = mapping_reader.target_columns(schema_reader.target(self.mapping.target), self.mapping.table)
        return tuple(Column(name=name, type="full text" if name != "rowid" else "INTEGER") for name in names)

    def quarantine(self) -> tuple[str, ...]:
        """Return the constraints that a row can break: those about a column that depends on the row."""
        varying = {name for name, trace in self.forward.items() if trace.sql.find(exp.Column) is not None}
        return (
            *dict.fromkeys(refusal.broken for refusal in self.refusals if varying & set(refusal.columns)),
            f"a key ({self.mapping.key}) that is NULL or that two rows share",
        )

    def keys(self) -> str:
        """Return what becomes of the key of a row."""
        if self.mapping.parts:
            return (
                f"A row becomes several, with new ids by {self.mapping.number}; lineage.legacy_key keeps the old key."
            )
        if self.mapping.number:
            return (
                f"Rows get new integer ids in the order of {self.mapping.number}; lineage.legacy_key keeps the old key."
            )
        return f"Keys are kept in {self.key}."


def _known(schema: Schema) -> dict[str, dict[str, str]]:
    tables = {table.name: {column.name: column.type for column in table.columns} for table in schema.tables}
    tables |= {
        virtual.name: dict.fromkeys(mapping_reader.target_columns(schema, virtual.name), "TEXT")
        for virtual in schema.virtual_tables
    }
    own = schema_reader.read(catalogue.our_ddl())
    return tables | {table.name: {column.name: column.type for column in table.columns} for table in own.tables}


def _own_branches(expression: exp.Expr, name: str) -> exp.Expr:
    """Return a CASE that chooses among columns with the branches of the column *name* alone; else *expression*."""
    branches = expression.args["ifs"] if isinstance(expression, exp.Case) else []
    chosen = [branch for branch in branches if branch.args["true"].name == name] or branches
    if len(chosen) == len(branches) or not all(isinstance(branch.args["true"], exp.Column) for branch in branches):
        return expression
    made = expression.copy()
    made.set("ifs", [branch.copy() for branch in chosen])
    return made


def _without_source(expression: exp.Expr) -> exp.Expr:
    """Return *expression* without the alias of the legacy table, which every mapping calls ``s``."""
    made = expression.copy()
    for column in made.find_all(exp.Column):
        if column.table == "s":
            column.set("table", None)
    return made


def _allowed(check: str) -> Iterator[str]:
    tree = sqlglot.parse_one(check, read="sqlite")
    if isinstance(tree, exp.In):
        yield from (literal.name for literal in tree.expressions)


@cache
def _schema(known: LegacyDatabase) -> Schema:
    return schema_reader.read(known.ddl)


def _columns(schema: Schema, table: str) -> Iterable[Column]:
    ordinary = [column for shape in schema.tables if shape.name == table for column in shape.columns]
    return ordinary or [
        Column(name=name, type="full text")
        for virtual in schema.virtual_tables
        if virtual.name == table
        for name in virtual.columns
    ]


def _declaration(column: Column) -> str:
    parts = [column.type]
    parts += ["PRIMARY KEY"] if column.primary_key else []
    parts += ["NOT NULL"] if column.not_null else []
    parts += [f"DEFAULT {column.default}"] if column.default is not None else []
    return " ".join(part for part in parts if part)


def _serving(source: str) -> tuple[str, ...]:
    """Return each lookup that reads *source*, with the target tables that it serves."""
    found = []
    for lookup in lookups():
        if source in {table for table, _, _ in lookup.evidence}:
            served = [
                f"{mapping.target}.{mapping.table}"
                for mapping in mapping_reader.mappings()
                if f"ids.{lookup.name}" in mapping.reads
            ]
            found.append(f"{lookup.name}: serves {', '.join(dict.fromkeys(served))}")
    return tuple(found)


def _statements(source: str) -> tuple[Replacement, ...]:
    return tuple(
        Replacement(
            name=question.name,
            asked=f"{question.often}: {question.when}",
            columns=tuple(sorted(_named(question.legacy, question.legacy_sql, source))),
            legacy=question.legacy_sql,
            consolidated=question.sql,
            differs=question.differs,
            costs=question.slower,
            index=question.mends,
        )
        for question in workload.questions()
        if source in {f"{question.legacy}.{table}" for table in question.legacy_tables}
    )


def _named(database: str, sql: str, source: str) -> set[str]:
    """Return the columns of *source* that a statement on the legacy *database* names."""
    table = source.partition(".")[2]
    statement = named_columns.read(sql, tables_of(database))
    return {named.column for named in statement.named if named.table == table and named.column}


@cache
def tables_of(database: str) -> Mapping[str, tuple[str, ...]]:
    """Return table -> columns of a legacy *database*, over all its variants as found."""
    found: dict[str, list[str]] = {}
    for known in catalogue.legacy_databases():
        if known.name == database:
            for shape in known.shapes:
                found.setdefault(shape.table, []).extend(shape.names)
    return {table: tuple(dict.fromkeys(names)) for table, names in found.items()}
