"""What can be carried whole: reasons against it, and what stays in the backup or does not come along."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from migrator.config.config_file import Config
from migrator.records.inventory import Database, Inventory, Table, Verdict
from migrator.records.plan import Fate, PlannedTable
from migrator.schema.declaration import folded, index_name
from migrator.system.serialize import escaped

#: Tables without a home in the specification that are carried over.  The bot has some ninety; a file filled with
#: tables would keep every later step busy, and its owners could not look at what they carry.
MOST_CARRIED = 2_000


def refusals(inventory: Inventory, tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    """Yield a sentence for each table that can neither be carried whole nor stay behind, and for each name taken twice."""
    for database, table, fate in _decided(inventory, tables):
        source = f"{database.known_as}.{table.name}"
        if table.problem and fate in (Fate.CARRIED, Fate.DERIVED) and source not in config.left_behind:
            yield _cannot_be_carried(database, table, source)
        # A full-text table with a home in the specification keeps its rows there.
        elif table.problem and fate is Fate.MAPPED and not table.module:
            yield f"{escaped(database.place)}: {escaped(table.name)}: {escaped(table.problem)}; write it anew without that"
    yield from _left_behind(tables, config)
    yield from _called_the_same(inventory, tables, config)
    yield from _too_many(tables)


def findings(inventory: Inventory, tables: Sequence[PlannedTable]) -> Iterator[str]:
    """Yield a sentence for each thing in the files that no cutover brings along."""
    for database, table, fate in _decided(inventory, tables):
        if fate is Fate.DERIVED:
            yield (
                f"{escaped(database.place)}: {escaped(table.name)} ({table.module}) {escaped(table.about or table.problem)}; "
                "it stays in the backup and is not there after a cutover"
            )
    leaving = {table.source.partition(".")[0] for table in tables if table.fate in (Fate.MAPPED, Fate.CARRIED)}
    for database in inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
        for pragma, value in (("user_version", database.user_version), ("application_id", database.application_id)):
            if value and database.known_as in leaving:
                yield (
                    f"{escaped(database.place)}: its {pragma} is {value}; a file has only one, so that it reads 0 after a "
                    "cutover; the backup keeps it, and a rollback brings it back"
                )


def _decided(inventory: Inventory, tables: Sequence[PlannedTable]) -> Iterator[tuple[Database, Table, Fate]]:
    fates = {table.source: table.fate for table in tables}
    for database in inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
        for table in database.tables:
            if fate := fates.get(f"{database.known_as}.{table.name}"):
                yield database, table, fate


def _cannot_be_carried(database: Database, table: Table, source: str) -> str:
    kind = f" ({table.module})" if table.module else ""
    behind = f', leave it in the backup ([decisions] left_behind = ["{escaped(source)}"])' if table.module else ""
    return (
        f"{escaped(database.place)}: {escaped(table.name)}{kind}: {escaped(table.problem)}; "
        f"{'copy its rows to an ordinary table' if table.rows else 'drop it'}{behind}, or let the file stay as it is "
        f'([files] "{escaped(database.path_in_snapshot)}" = "standalone")'
    )


def _left_behind(tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    """Yield a sentence for each entry of ``left_behind`` that is not a virtual table without a home in the specification."""
    derived = {table.source for table in tables if table.fate is Fate.DERIVED}
    for source in config.left_behind:
        if source not in derived:
            yield f"decisions.left_behind: {source} is not a virtual table that can stay in the backup; take it out"


def _called_the_same(inventory: Inventory, tables: Sequence[PlannedTable], config: Config) -> Iterator[str]:
    """Yield a sentence for each name that two carried tables or indexes would have: a.b_c and a_b.c are both legacy_a_b_c."""
    indexes = {
        f"{database.known_as}.{table.name}": table.indexes
        for database in inventory.databases
        for table in database.tables
    }
    named: dict[str, list[str]] = {}
    for table in tables:
        if table.fate is Fate.CARRIED:
            target, _, carried = table.into.partition(".")
            database, _, own = table.source.partition(".")
            named.setdefault(folded(table.into), []).append(escaped(table.source))
            for index in indexes[table.source]:
                into = f"{target}.{index_name(own, carried, index)}"
                named.setdefault(folded(into), []).append(f"the index {escaped(f'{database}.{index}')}")
    for one in config.extra_indexes:
        named.setdefault(folded(f"{one.target}.{one.name}"), []).append(f"the ordered index {one.name}")
    for into, several in sorted(named.items()):
        if len(several) > 1:
            yield f"{' and '.join(several)} would both be carried as {escaped(into)}; rename one of them"


def _too_many(tables: Sequence[PlannedTable]) -> Iterator[str]:
    carried = Counter(table.source.partition(".")[0] for table in tables if table.fate is Fate.CARRIED)
    if carried.total() > MOST_CARRIED:
        ((most, count),) = carried.most_common(1)
        yield (
            f"{most}: {count:,} of {carried.total():,} tables that the specification has no home for, and at most "
            f"{MOST_CARRIED:,} are carried; drop those that are not the bot's"
        )
