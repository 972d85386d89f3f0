"""Reads ``mapping/sql/*/*.sql`` into Mapping records and checks them.

A mapping file is plain SQL for one target table and one source table: a header of facts, one forward SELECT, one back
SELECT.  :data:`HEADER` lists the keys of the header.  A fault in a file is an error with file, line and column.

The forward SELECT names its source ``s``.  It begins with ``legacy_key`` (and ``part``, where one legacy row becomes
several) and then gives each column of the target it fills, once, under its name.  The back SELECT begins with
``legacy_key`` and ``rest`` out of ``lineage`` and then gives every column of the source.  Beside the source both may
read the consolidated database itself, and the forward one the work tables ``ids.*``: a referenced parent's keys
(``ids.positions(legacy_key, id)``), and the lookups of ``mapping/sql/lookups``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, partial
from importlib.resources import files
from types import MappingProxyType

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from migrator.errors import DdlError, MappingError
from migrator.mapping import checks as mapping_checks
from migrator.mapping.model import Columns, TableMapping
from migrator.records.plan import Fate, PlannedTable
from migrator.schema import catalogue, sql_header
from migrator.schema import reader as schema_reader
from migrator.schema.model import Schema
from migrator.system import connections

#: Key of a header -> default; a key without a default is required.
HEADER: Mapping[str, str | None] = MappingProxyType(
    {
        "target": None,  # the consolidated database and its table: core.trades
        "source": None,  # the legacy database and its table: jarvis.trades
        "variant": "found",  # the shape of the source table it reads; a stub may read several
        "key": None,  # the source's column that names a row
        "why": None,  # which decisions it applies
        "number": "",  # ids are assigned by this target column, then source, key and part; without it they are kept
        "keep": "",  # of rows that a UNIQUE lets in once, the first in this order of target columns; else of the id
        "reads": "",  # what else the forward SELECT reads: ids.positions, core.trades
        "rest": "",  # source columns that no target column holds: kept in lineage.rest
        "rounds": "",  # target columns that forward and back recompute in doubles, to within rounding
        "takes": "",  # SQL over target columns: which new rows it takes, where several make one legacy row
        "together": "",  # target columns that agree in the new rows that make one legacy row
        "follows": "",  # column=database.table.column: by which values of other legacy rows forward finds rows
        "stub": "",  # why rows without a legacy row are made; such a mapping has no back
    }
)

_BACK = "-- back:"


@cache
def mappings() -> tuple[TableMapping, ...]:
    """Return every mapping of the package; the SELECTs of each are parsed and checked when its columns are first used.

    Raises:
        MappingError: A header is wrong.
    """
    folder = files("migrator.mapping") / "sql"
    read_files = [
        _read(text.read_text(encoding="utf-8"), f"mapping/sql/{target}/{text.name}")
        for target in catalogue.TARGETS
        for text in (folder / target).iterdir()
        if text.name.endswith(".sql")
    ]
    return tuple(sorted(read_files, key=lambda mapping: mapping.file))


def read(text: str, file: str) -> TableMapping:
    """Return the mapping in *text*, checked.

    Raises:
        MappingError: Its header, its SELECTs or its columns are wrong.
    """
    mapping = _read(text, file)
    mapping.parse()
    return mapping


def _read(text: str, file: str) -> TableMapping:
    """Return the mapping in *text*; its SELECTs are neither parsed nor checked.

    Raises:
        MappingError: Its header is wrong, or its parts are not one SELECT each.
    """
    header, _ = sql_header.read(text, HEADER, file)
    back_line = next((number for number, line in enumerate(text.splitlines()) if line.startswith(_BACK)), None)
    forward_text, _, back_text = text.partition(_BACK)
    forward = _statement(forward_text, file, 0)
    back = _statement(back_text, file, back_line) if back_line is not None else None
    if (back is None) != bool(header["stub"]):
        raise MappingError(f"needs a part '{_BACK}' with the SELECT that rebuilds the rows, or a stub", where=file)
    target, _, table = header["target"].partition(".")
    database, _, source_table = header["source"].partition(".")
    return TableMapping(
        file=file,
        target=target,
        table=table,
        database=database,
        source_table=source_table,
        variant=header["variant"],
        key=header["key"],
        number=header["number"],
        keep=header["keep"],
        reads=_words(header["reads"]),
        rest=_words(header["rest"]),
        rounds=_words(header["rounds"]),
        takes=header["takes"],
        together=_words(header["together"]),
        follows=_follows(header["follows"], file),
        stub=header["stub"],
        why=header["why"],
        forward=forward[1].removesuffix(";").strip(),
        back=back[1].removesuffix(";").strip() if back is not None else "",
        parse=cache(partial(_columns, header, forward, back, file)),
    )


def _columns(
    header: Mapping[str, str], forward_statement: tuple[int, str], back_statement: tuple[int, str] | None, file: str
) -> Columns:
    """Return what the SELECTs of the mapping of *header* do with columns; each comes with the line that it begins on.

    Raises:
        MappingError: The SELECTs or their columns are wrong.
    """
    forward = _select(*forward_statement, file)
    back = _select(*back_statement, file) if back_statement is not None else None
    target, _, table = header["target"].partition(".")
    database, _, source_table = header["source"].partition(".")
    legacy_columns = _legacy_columns(database, source_table, header["variant"], file)
    above = forward_statement[0] - 1
    mapping_checks.check_reads(forward, {header["source"], *_words(header["reads"])}, file, above)
    names = [projection.alias_or_name for projection in forward.expressions]
    given = tuple(name for name in names if name not in ("legacy_key", "part"))
    schema = schema_reader.target(target)
    assigned = target_key(schema, table) if header["number"] else ""
    known = [name for name in target_columns(schema, table) if name != assigned]
    mapping_checks.check_columns(names, given, known, table, file)
    uses = mapping_checks.uses_of(forward, header["source"], file, above)
    if back is not None:
        mapping_checks.check_back(back, legacy_columns, file)
        mapping_checks.check_every_column_is_kept(legacy_columns, uses, _words(header["rest"]), header["key"], file)
    return Columns(given=given, legacy=legacy_columns, uses=MappingProxyType(uses), parts="part" in names)


def _follows(text: str, file: str) -> Mapping[str, tuple[str, ...]]:
    """Return column -> the columns that it repeats, of the header line 'follows'.

    Raises:
        MappingError: A word of it has no equals sign.
    """
    follows: dict[str, tuple[str, ...]] = {}
    for word in _words(text):
        column, equals, other = word.partition("=")
        if not equals:
            raise MappingError(f"'follows' has {word}, expected column=database.table.column", where=f"{file}:1:1")
        follows[column] = (*follows.get(column, ()), other)
    return MappingProxyType(follows)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _statement(text: str, file: str, above: int) -> tuple[int, str]:
    """Return the one SELECT of *text*, which begins *above* lines down the file, with the line that it begins on.

    Raises:
        MappingError: It is not one statement.
    """
    try:
        parsed = list(schema_reader.statements(text))
    except DdlError as error:
        raise MappingError(error.what, where=f"{file}:1:1", hint=error.hint) from error
    if len(parsed) != 1:
        raise MappingError("needs one SELECT, closed with a semicolon", where=f"{file}:{above + 1}:1")
    ((line, statement),) = parsed
    return above + line, statement


def _select(line: int, statement: str, file: str) -> exp.Select:
    """Return *statement*, which begins on *line* of the file, parsed.

    Raises:
        MappingError: It is not a SELECT that names its columns.
    """
    try:
        tree = sqlglot.parse_one(statement, read="sqlite")
    except SqlglotError as error:
        errors = getattr(error, "errors", None) or [{}]
        at = f"{file}:{line + (errors[0].get('line') or 1) - 1}:{errors[0].get('col') or 1}"
        raise MappingError(
            str(error).splitlines()[0], where=at, hint=f"correct the SQL of this mapping in {file}"
        ) from error
    if not isinstance(tree, exp.Select):
        raise MappingError("is not a SELECT", where=f"{file}:{line}:1")
    for star in tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            raise MappingError("'*' hides which columns are meant", where=f"{file}:{line}:1", hint="name them")
    return tree


def _legacy_columns(database: str, table: str, variant: str, file: str) -> tuple[str, ...]:
    for shape in catalogue.shapes_of(database):
        if shape.table == table and shape.variant in _words(variant):
            return shape.names
    raise MappingError(f"no table {database}.{table} of the variant {variant} is known", where=f"{file}:1:1")


def target_columns(schema: Schema, table: str) -> tuple[str, ...]:
    """Return the columns that a row of *table* fills, with ``rowid`` for a virtual table; empty without such a table."""
    for virtual in schema.virtual_tables:
        if virtual.name == table:
            return ("rowid", *virtual.columns)
    return tuple(column.name for shape in schema.tables if shape.name == table for column in shape.columns)


def target_key(schema: Schema, table: str) -> str:
    """Return the column that identifies a row of *table*: its primary key, or ``rowid`` of a virtual table."""
    for shape in schema.tables:
        if shape.name == table:
            return next(column.name for column in shape.columns if column.primary_key)
    return "rowid"


def identity(target: str, table: str, database: str) -> TableMapping:
    """Return the mapping of a source table that already has the target's shape; references go through ``ids``.

    A reference without a parent becomes NULL, and rest keeps the link; if the column is NOT NULL,
    the constraint puts the row into quarantine.
    """
    schema = schema_reader.target(target)
    columns, key = target_columns(schema, table), target_key(schema, table)
    legacy = tuple(name for name in columns if name != "rowid")
    given = {name: f"s.{connections.quoted(name)}" for name in columns}
    returned = {name: f"t.{connections.quoted(name)}" for name in legacy}
    parents = links = ""
    references = [reference for shape in schema.tables if shape.name == table for reference in shape.foreign_keys]
    for number, reference in enumerate(references):
        (child,) = reference.columns
        given[child], returned[child] = f"p{number}.id", f"l{number}.legacy_key"
        parents += f"\nLEFT JOIN ids.{reference.parent} AS p{number} ON p{number}.legacy_key = +s.{child}"
        links += (
            f"\nLEFT JOIN {target}.lineage AS l{number}"
            f" ON l{number}.target = '{reference.parent}' AND l{number}.target_id = +t.{child}"
        )
    selected = ", ".join(f"{sql} AS {connections.quoted(name)}" for name, sql in given.items())
    rebuilt = ", ".join(f"{sql} AS {connections.quoted(name)}" for name, sql in returned.items())
    known = Columns(
        given=columns, legacy=legacy, uses=MappingProxyType({name: (name,) for name in legacy}), parts=False
    )
    return TableMapping(
        file="",
        target=target,
        table=table,
        database=database,
        source_table=table,
        variant=catalogue.SPECIFIED_VARIANT,
        key=key,
        number="",
        keep="",
        reads=(),
        rest=(),
        rounds=(),
        takes="",
        together=(),
        follows=MappingProxyType(
            {key.columns[0]: (f"{database}.{key.parent}.{target_key(schema, key.parent)}",) for key in references}
        ),
        stub="",
        why="The table already has the shape of the target; references get the new ids.",
        forward=f"SELECT s.{key} AS legacy_key, {selected}\nFROM {database}.{table} AS s{parents}",
        back=(
            f"SELECT l.legacy_key AS legacy_key, l.rest AS rest, {rebuilt}\nFROM {target}.lineage AS l\n"
            f"JOIN {target}.{table} AS t ON t.{key} = l.target_id{links}\n"
            f"WHERE l.source = '{database}.{table}' AND l.target = '{table}'"
        ),
        parse=lambda: known,
    )


def sources_of(table: PlannedTable) -> tuple[TableMapping, ...]:
    """Return the mappings that read the planned *table*, stubs included; none if it is not mapped."""
    if table.fate is not Fate.MAPPED:
        return ()
    if table.variant == catalogue.SPECIFIED_VARIANT:
        target, _, name = table.into.partition(".")
        own: tuple[TableMapping, ...] = (identity(target, name, table.source.partition(".")[0]),)
    else:
        own = ()
    return own + tuple(
        mapping
        for mapping in mappings()
        if f"{mapping.database}.{mapping.source_table}" == table.source and table.variant in _words(mapping.variant)
    )


def in_order(target: str) -> Iterator[str]:
    """Yield the tables of *target*, parents before children.

    Raises:
        MappingError: Foreign keys form a cycle.
    """
    from graphlib import CycleError, TopologicalSorter  # noqa: PLC0415 - used once, by the plan

    schema = schema_reader.target(target)
    graph = {table.name: {key.parent for key in table.foreign_keys} - {table.name} for table in schema.tables}
    try:
        yield from TopologicalSorter(graph).static_order()
    except CycleError as error:
        raise MappingError(f"foreign keys form a cycle: {' -> '.join(error.args[1])}", where=target) from error
    yield from (table.name for table in schema.virtual_tables)


def all_tables() -> tuple[str, ...]:
    """Return every table of the specification with its database, parents before children."""
    return tuple(f"{target}.{table}" for target in catalogue.TARGETS for table in in_order(target))
