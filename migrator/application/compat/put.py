"""Puts what a transaction changed in legacy tables into the consolidated set, in the same transaction.

Method, for each target table, parents before children:

1. The net changes of the legacy tables are staged: rows deleted and inserted again as they were change nothing.
2. Rows that refer to a changed row are staged too, as they are, because what they become may change.
3. The forward SELECTs of the mappings make target rows of the staged rows, and the constraints judge them as in a build,
   together with the rows that they compete with for a UNIQUE value.
4. Rows that are refused go whole into the quarantine; of the others only cells are written that a changed legacy cell
   feeds, so that what new code wrote in other columns stays.
5. Rest is computed anew, so that back and rest give every staged row cell by cell.  A row that they do not give is an error.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence

from migrator.application.compat import legacy_rows, put_sql, work_tables
from migrator.application.compat.adoption import record, takers
from migrator.application.compat.plan import LegacyDatabase, LegacyTable, Plan, Source, Target
from migrator.application.compat.work_tables import Run, changed, former, forward, gone, old, staged
from migrator.mapping import reverse_sql
from migrator.mapping.refusals import Refusal, mark_broken
from migrator.schema.catalogue import MIRRORED_ROWS, MIRRORED_SEQUENCE
from migrator.system.connections import folded, quoted


class Put:
    """Writes the changes of one mirror."""

    def __init__(
        self, plan: Plan, database: LegacyDatabase, run: Run, loaded: Collection[str], prepare: Callable[[], None]
    ) -> None:
        """Prepare the statements.

        Args:
            plan: The plan of the consolidated database.
            database: The legacy database of the mirror.
            run: Runs a statement.
            loaded: The folded names of the tables that the mirror has loaded; changes as it loads.
            prepare: Makes the tables of mirrors in the consolidated database.
        """
        self._plan, self._database, self._run = plan, database, run
        self._loaded, self._prepare = loaded, prepare
        self._concerned = work_tables.concerned(plan, database)
        self._lookups_of: dict[str, tuple[int, ...]] = {}
        self._versions: dict[str, int] = {}
        #: Staging tables that rows were inserted into since they were emptied; others are not looked at.
        self._filled: set[str] = set()

    def forget_lookups(self) -> None:
        """Compute lookups anew when they are next needed: another connection has written."""
        self._lookups_of.clear()

    def put(self, names: Collection[str], again: Collection[tuple[str, object]] = ()) -> None:
        """Write what was changed in the tables with the folded *names*.

        Args:
            names: The folded names.
            again: Legacy table with its database, and key, of rows that are judged again though they did not change.

        Raises:
            sqlite3.Error: The consolidated set refuses it; the caller's transaction has to be rolled back.
        """
        self._prepare()
        tables = [self._database.tables[name] for name in names]
        for table in tables:
            source = f"{self._database.name}.{table.name}"
            self._versions[source] = self._versions.get(source, 0) + 1
            if table.kind == "carried":
                self._put_carried(source, table)
            else:
                self._stage(source, table)
        for source, key in again:
            self._run(f"DELETE FROM {work_tables.RIVAL}")
            work_tables.insert_key(self._run, key)
            self._stage_as_it_is(self._source(source), f"SELECT key FROM {work_tables.RIVAL}")
        self._stage_followers_of_any_row(tables)
        for target in self._concerned:
            self._stage_children(target)
        for target in self._concerned:
            self._put_target(target)
        for table in tables:
            source = f"{self._database.name}.{table.name}"
            self._keep_sequence(source, table)
            self._run(f"DELETE FROM {old(source)}")
            self._run(f"DELETE FROM {changed(source)}")

    def _put_carried(self, source: str, table: LegacyTable) -> None:
        """Copy the changed rows of a carried table, with their rowids."""
        self._run(put_sql.delete_carried(self._plan, source, table))
        self._run(put_sql.insert_carried(self._plan, source, table))

    def _stage(self, source: str, table: LegacyTable) -> None:
        """Stage the net changes of a mapped table; quarantine rows without a key at once."""
        mapped = self._source(source)
        key, into, out = quoted(mapped.key), staged(source), gone(source)
        self._fill(into, put_sql.stage_changes(mapped, table))
        self._fill(out, put_sql.note_deleted(mapped, table))
        self._put_without_key(source, mapped, table)
        self._note_rows(source, f"SELECT {key} FROM {into} UNION ALL SELECT key FROM {out}")

    def _put_without_key(self, source: str, mapped: Source, table: LegacyTable) -> None:
        """Replace the rows without a key in the quarantine; each is known by all its cells."""
        target, key = self._plan.target, quoted(mapped.key)
        of_source = "source = ? AND target = ? AND legacy_key IS NULL"
        former_rows = self._run(put_sql.rows_without_key(mapped, table)).fetchall()
        for (was,) in former_rows:
            self._run(
                f"DELETE FROM {target}.quarantine WHERE rowid = (SELECT rowid FROM {target}.quarantine"
                f" WHERE {of_source} AND row = ? LIMIT 1)",
                (source, mapped.target, was),
            )
        kept = self._run(
            put_sql.quarantine_rows_without_key(self._plan, mapped), (source, mapped.target, f"NOT NULL {mapped.key}")
        ).rowcount
        if kept:
            self._run(f"DELETE FROM {staged(source)} WHERE {key} IS NULL")
        if kept or former_rows:
            self._note_rows(
                source, "SELECT NULL WHERE NOT EXISTS (SELECT 1 FROM {rows} WHERE source = ? AND legacy_key IS NULL)"
            )

    def _note_rows(self, source: str, keys: str) -> None:
        """Record that the legacy rows with *keys* are as this connection wrote them."""
        rows = f"{self._plan.target}.{MIRRORED_ROWS}"
        keys = keys.replace("{rows}", rows)
        values = (source,) * (1 + keys.count("?"))
        self._run(f"INSERT OR IGNORE INTO {rows} (source, legacy_key) SELECT ?, * FROM ({keys})", values)

    # Rows that are staged because others changed.

    def _stage_followers_of_any_row(self, tables: Collection[LegacyTable]) -> None:
        written = {f"{self._database.name}.{table.name}" for table in tables}
        for target in self._concerned:
            for source in target.sources:
                if written.intersection(source.follows.get("*", ())) and source.database == self._database.name:
                    self._stage_as_it_is(source, f"SELECT {quoted(source.key)} FROM {self._rows(source)}")

    def _stage_children(self, target: Target) -> None:
        """Stage the rows that refer to staged or deleted rows of *target*."""
        for source in target.sources:
            deleted = self._some(gone(source.source))
            if not deleted and not self._some(staged(source.source)):
                continue
            lineage = (
                f"SELECT l.target_id FROM {self._plan.target}.lineage AS l WHERE l.source = '{source.source}'"
                f" AND +l.target = '{target.name}' AND l.legacy_key IN"
            )
            if deleted:
                self._stage_children_of(target, f"{lineage} (SELECT key FROM {gone(source.source)})")
            for child, column in self._children(target):
                for follower in child.sources:
                    keys = self._keys_that_matter(source, follower.parents.get(target.name, ()))
                    if keys and self._run(f"{lineage} ({keys}) LIMIT 1").fetchone():
                        self._stage_child(child, column, follower, f"{lineage} ({keys})")

    def _keys_that_matter(self, source: Source, columns: Collection[str]) -> str:
        """Return a SELECT of the staged legacy keys of *source* whose target *columns* may change; '' for no columns."""
        fed_by = [name for name, fed in source.uses.items() if not set(fed).isdisjoint(columns)]
        if not columns or not fed_by:
            return ""
        key, rows = quoted(source.key), staged(source.source)
        if source.database != self._database.name:
            return f"SELECT +{key} FROM {rows}"
        differ = " OR ".join(f"s.{quoted(name)} IS NOT o.{quoted(name)}" for name in fed_by)
        return (
            f"SELECT +s.{key} FROM {rows} AS s LEFT JOIN {old(source.source)} AS o ON o.{key} = s.{key} COLLATE BINARY"
            f' WHERE s."compat:restaged" OR o.{key} IS NULL OR {differ}'
        )

    def _stage_children_of(self, target: Target, ids: str) -> None:
        """Stage the rows that refer to the rows *ids* of *target*."""
        if self._run(f"{ids} LIMIT 1").fetchone():
            for child, column in self._children(target):
                alone = (
                    f"SELECT 1 FROM {self._plan.target}.{quoted(child.name)} AS t WHERE t.{quoted(column)} IN ({ids})"
                )
                if takers(child) and self._run(f"{alone} AND {self._has_no_key(child)} LIMIT 1").fetchone():
                    self._adopt(child)
                for source in child.sources:
                    self._stage_child(child, column, source, ids)

    def _has_no_key(self, target: Target) -> str:
        """Return SQL that is true for a row ``t`` of *target* that new code made and that has no legacy key yet."""
        return (
            f"NOT EXISTS (SELECT 1 FROM {self._plan.target}.lineage AS l WHERE l.target = '{target.name}'"
            f" AND l.target_id = +t.{quoted(target.key)})"
        )

    def _adopt(self, target: Target) -> None:
        """Give rows of new code in *target* their legacy keys; no table of the mirror has loaded them."""
        for source in takers(target):
            record(self._run, self._plan, source)

    def _children(self, target: Target) -> Iterator[tuple[Target, str]]:
        """Yield each table that refers to *target*, with the column that does."""
        for child in self._concerned:
            for column, parent, _ in child.references:
                if parent == target.name:
                    yield child, column

    def _stage_child(self, child: Target, column: str, source: Source, ids: str) -> None:
        """Stage the legacy rows of *source* whose rows in *child* refer by *column* to the rows *ids*."""
        self._stage_as_it_is(
            source,
            f"SELECT l.legacy_key FROM {self._plan.target}.{quoted(child.name)} AS g"
            f" CROSS JOIN {self._plan.target}.lineage AS l ON l.target = '{child.name}'"
            f" AND l.target_id = +g.{quoted(child.key)} WHERE g.{quoted(column)} IN ({ids})"
            f" AND l.source = '{source.source}'",
        )

    def _stage_as_it_is(self, source: Source, keys: str) -> int:
        """Stage the legacy rows of *source* with *keys* that are not staged yet; return their number."""
        wanted = (
            f"SELECT legacy_key FROM (SELECT +legacy_key AS legacy_key FROM (SELECT NULL AS legacy_key WHERE 0 UNION ALL {keys}))"
            f" WHERE legacy_key NOT IN (SELECT {quoted(source.key)} FROM {staged(source.source)})"
            f" AND legacy_key NOT IN (SELECT key FROM {gone(source.source)})"
        )
        columns = ", ".join(map(quoted, source.columns))
        if source.database == self._database.name and folded(source.table) in self._loaded:
            rows = f"SELECT {columns} FROM main.{quoted(source.table)} WHERE {quoted(source.key)} IN ({wanted})"
        else:
            rows = legacy_rows.rows_sql(self._plan, source, wanted)
        return self._fill(
            staged(source.source),
            f'INSERT INTO {staged(source.source)} ({columns}, "compat:restaged", "compat:seen")'
            f" SELECT {columns}, 1, 0 FROM ({rows})",
        )

    # One target table.

    def _put_target(self, target: Target) -> None:
        """Write the staged rows of *target*."""
        if not any(self._some(staged(one.source)) or self._some(gone(one.source)) for one in target.sources):
            return
        self._add_stubs(target)
        self._judge(target)
        leaving = f"SELECT tid FROM {forward(target.name)} WHERE broken IS NOT NULL AND tid IS NOT NULL"
        if self._run(f"{leaving} LIMIT 1").fetchone():
            self._stage_children_of(target, leaving)
            for child in self._concerned[self._concerned.index(target) + 1 :]:
                self._stage_children(child)
        self._stage_followers(target)
        for number, source in enumerate(target.sources):
            self._delete(target, source)
            self._quarantine(target, source, number)
            if source.parts:
                self._replace_parts(target, source, number)
        self._update_and_insert(target)
        for source in target.sources:
            self._write_rest(source)
            self._note_rows(source.source, f"SELECT {quoted(source.key)} FROM {staged(source.source)}")
            self._empty(staged(source.source))
            self._empty(gone(source.source))
        self._run(f"DELETE FROM {forward(target.name)}")
        self._run(f"DELETE FROM {former(target.name)}")

    def _add_stubs(self, target: Target) -> None:
        """Add the parents that staged rows of *target* name and no row of the set is."""
        for source in target.sources:
            for stub in self._plan.stubs:
                if (stub.database, stub.table) == (source.database, source.table):
                    self._add_stubs_of(stub, source)

    def _add_stubs_of(self, stub: Source, source: Source) -> None:
        target = self._plan.target_table(stub.target)
        into, work = f"{self._plan.target}.{quoted(target.name)}", forward(target.name)
        given = ", ".join(map(quoted, stub.given))
        select = put_sql.made_rows(self._plan, stub, staged(source.source), target)
        added = self._run(
            f"INSERT INTO {work} ({given}, legacy_key) SELECT {given}, legacy_key FROM ({select})"
        ).rowcount
        if added:
            self._note_rows(stub.source, f"SELECT legacy_key FROM {work}")
            self._number(target)
            columns = ", ".join(map(quoted, target.columns))
            self._run(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {work}")
            self._run(
                f"INSERT INTO {self._plan.target}.lineage (source, legacy_key, target, target_id)"
                f" SELECT ?, legacy_key, ?, {quoted(target.key)} FROM {work}",
                (stub.source, target.name),
            )
            self._run(f"DELETE FROM {work}")

    def _judge(self, target: Target) -> None:
        """Make target rows of the staged rows, and of those that they compete with; mark those that are refused."""
        work = forward(target.name)
        refusals = put_sql.refusals(target)
        alone = [refusal for refusal in refusals if not refusal.chooses]
        whole = any(source.parts for source in target.sources)
        if any(self._some(gone(source.source)) for source in target.sources):
            self._stage_set_aside(target)
        while True:
            for number, source in enumerate(target.sources):
                self._run_forward(target, source, number, alone)
            if not self._stage_competitors(target):
                break
        choosing = [refusal for refusal in refusals if refusal.chooses]
        if choosing and self._run(f"SELECT 1 FROM {work} LIMIT 1 OFFSET 1").fetchone():
            mark_broken(self, choosing, whole_rows=False, work=work)
        if whole:
            mark_broken(self, [], whole_rows=True, work=work)

    def _run_forward(self, target: Target, source: Source, number: int, refusals: Sequence[Refusal]) -> None:
        """Make target rows of the staged rows of *source* that were not seen yet."""
        unseen = f'SELECT 1 FROM {staged(source.source)} WHERE "compat:seen" = 0 LIMIT 1'
        if not self._run(unseen).fetchone():
            return
        work, key = forward(target.name), quoted(source.key)
        statement = put_sql.make_rows(self._plan, target, source, number)
        self._refresh_lookups([name for name in source.lookups if name not in source.last_resorts])
        self._run(statement)
        mark_broken(self, refusals, whole_rows=False, work=work)
        late = [name for name in source.lookups if name in source.last_resorts]
        missing = f"SELECT 1 FROM {work} WHERE mapping = {number} AND broken LIKE 'NOT NULL %' LIMIT 1"
        if late and self._run(missing).fetchone() and self._refresh_lookups(late):
            new = f'legacy_key IN (SELECT +{key} FROM {staged(source.source)} WHERE "compat:seen" = 0)'
            self._run(f"DELETE FROM {work} WHERE mapping = {number} AND {new}")
            self._run(statement)
            mark_broken(self, refusals, whole_rows=False, work=work)
        self._run(f'UPDATE {staged(source.source)} SET "compat:seen" = 1 WHERE "compat:seen" = 0')

    def _stage_competitors(self, target: Target) -> bool:
        """Stage the rows of *target* that have a unique value of a new row; return whether there are any."""
        work, into = forward(target.name), f"{self._plan.target}.{quoted(target.name)}"
        key, found = quoted(target.key), False
        for columns, _, where in target.uniques:
            equal = " AND ".join(f"g.{quoted(name)} = f.{quoted(name)}" for name in columns)
            rows, rivals_of = (f"(SELECT rowid AS row, * FROM {work} WHERE {where or 1})", f"{into} AS g")
            if where:
                rivals_of = f"(SELECT * FROM {into} WHERE {where}) AS g"
            rivals = self._run(
                f"SELECT DISTINCT l.source, g.{key}, f.row FROM {rows} AS f JOIN {rivals_of} ON {equal}"
                f" LEFT JOIN {self._plan.target}.lineage AS l ON l.target = '{target.name}' AND l.target_id = +g.{key}"
                f" WHERE f.broken IS NULL AND g.{key} IS NOT f.tid"
            ).fetchall()
            for source, identity, row in rivals:
                found = self._stage_rival(target, source, identity, row, columns) or found
        return self._stage_released(target) or found

    def _stage_rival(
        self, target: Target, source: str | None, identity: object, row: int, columns: tuple[str, ...]
    ) -> bool:
        """Stage the row *identity* of *target*; return whether it was not staged yet."""
        lineage = f"{self._plan.target}.lineage"
        key, given = work_tables.bound(identity)
        if source is None:
            self._adopt(target)
            asked = f"SELECT max(source) FROM {lineage} WHERE target = ? AND target_id = {key}"
            (source,) = self._run(asked, (target.name, given)).fetchone()
        if source is None:
            raise sqlite3.IntegrityError(f"UNIQUE constraint failed: {target.name} has this row from other code")
        if source.startswith("stub:"):
            if isinstance(identity, int) and columns == (target.key,):
                self._renumber_stub(target, identity)
            else:
                self._take_over_stub(target, identity, row)
            return False
        mapped = next(one for one in target.sources if one.source == source)
        self._run(f"DELETE FROM {work_tables.RIVAL}")
        self._run(
            f"INSERT INTO {work_tables.RIVAL} SELECT legacy_key FROM {lineage} WHERE source = ? AND target = ?"
            f" AND target_id = {key}",
            (source, target.name, given),
        )
        return bool(self._stage_as_it_is(mapped, f"SELECT key FROM {work_tables.RIVAL}"))

    def _take_over_stub(self, target: Target, identity: object, row: int) -> None:
        """Let a legacy row take the place of the row that stood for it while only other rows named it."""
        work, key = forward(target.name), quoted(target.key)
        self._note_stub(target, identity)
        kept, known = self._run(f"SELECT {key}, tid FROM {work} WHERE rowid = ?", (row,)).fetchone()
        if kept == identity and known is None:
            self._run(f"UPDATE {work} SET tid = ? WHERE rowid = ?", (identity, row))
            (number,) = self._run(f"SELECT mapping FROM {work} WHERE rowid = ?", (row,)).fetchone()
            self._run(
                f"UPDATE {self._plan.target}.lineage SET source = ?, legacy_key = (SELECT legacy_key FROM {work}"
                " WHERE rowid = ?) WHERE target = ? AND target_id = ?",
                (target.sources[number].source, row, target.name, identity),
            )
            return
        # Rows with a legacy row find their parent anew, others follow.
        self._run(f"DELETE FROM {work_tables.RIVAL}")
        self._run(f"INSERT INTO {work_tables.RIVAL} VALUES (?)", (identity,))
        self._stage_children_of(target, f"SELECT key FROM {work_tables.RIVAL}")
        self._refer(target, identity, kept)
        self._run(f"DELETE FROM {self._plan.target}.{quoted(target.name)} WHERE {key} = ?", (identity,))
        self._run(
            f"DELETE FROM {self._plan.target}.lineage WHERE target = ? AND target_id = ?", (target.name, identity)
        )

    def _renumber_stub(self, target: Target, identity: int) -> None:
        """Give a row that no legacy row describes another id: a legacy row keeps its own."""
        asked = (
            f"SELECT max(seq) + 1 FROM (SELECT seq FROM {self._plan.target}.sqlite_sequence WHERE name = ? UNION ALL"
            f" SELECT max({quoted(target.key)}) FROM {forward(target.name)})"
        )
        (free,) = self._run(asked, (target.name,)).fetchone()
        self._note_stub(target, identity)
        self._move(target, identity, free)
        self._run(
            f"UPDATE {self._plan.target}.lineage SET target_id = ? WHERE target = ? AND target_id = ?",
            (free, target.name, identity),
        )

    def _note_stub(self, target: Target, identity: object) -> None:
        """Record that the lineage of a row without a legacy row is as this connection wrote it."""
        self._run(
            f"INSERT OR IGNORE INTO {self._plan.target}.{MIRRORED_ROWS} SELECT source, legacy_key FROM"
            f" {self._plan.target}.lineage WHERE target = ? AND target_id = ? AND source >= 'stub:' AND source < 'stub;'",
            (target.name, identity),
        )

    def _move(self, target: Target, identity: object, to: object) -> None:
        """Give the row *identity* of *target* the key *to*, and have the rows that refer to it follow."""
        if identity == to:
            return
        into, key = f"{self._plan.target}.{quoted(target.name)}", quoted(target.key)
        self._run(f"UPDATE {into} SET {key} = ? WHERE {key} = ?", (to, identity))
        if target.autoincrement and isinstance(to, int):
            # An UPDATE does not count as an id that was given.
            sequence = f"{self._plan.target}.sqlite_sequence"
            self._run(f"UPDATE {sequence} SET seq = max(seq, ?) WHERE name = ?", (to, target.name))
        self._refer(target, identity, to)

    def _refer(self, target: Target, identity: object, to: object) -> None:
        """Have the rows that refer to the row *identity* of *target* refer to the row *to*."""
        for child in self._concerned:
            for column, parent, _ in child.references:
                if parent == target.name:
                    name = quoted(column)
                    self._run(
                        f"UPDATE {self._plan.target}.{quoted(child.name)} SET {name} = ? WHERE {name} = ?",
                        (to, identity),
                    )

    def _stage_released(self, target: Target) -> bool:
        """Stage the rows that were set aside for a unique value, where a row gives its value up."""
        work, into = forward(target.name), f"{self._plan.target}.{quoted(target.name)}"
        for columns, _, where in target.uniques:
            differ = " OR ".join(f"g.{quoted(name)} IS NOT f.{quoted(name)}" for name in columns)
            if where:
                differ += f" OR f.rowid NOT IN (SELECT rowid FROM {work} WHERE {where})"
            given_up = (
                f"SELECT 1 FROM {work} AS f JOIN {into} AS g ON g.{quoted(target.key)} = f.tid"
                f" WHERE f.broken IS NOT NULL OR {differ} LIMIT 1"
            )
            if self._run(given_up).fetchone():
                return self._stage_set_aside(target)
        return False

    def _stage_set_aside(self, target: Target) -> bool:
        """Stage the rows that a UNIQUE or PRIMARY KEY refused; return whether there are any that were not staged yet."""
        constraints = ", ".join(reverse_sql.literal(broken) for _, broken, _ in target.uniques)
        if not constraints:
            return False
        found = 0
        for source in target.sources:
            found += self._stage_as_it_is(
                source,
                f"SELECT q.legacy_key FROM {self._plan.target}.quarantine AS q WHERE q.source = '{source.source}'"
                f" AND q.target = '{target.name}' AND q.broken IN ({constraints}) AND q.legacy_key IS NOT NULL",
            )
        return bool(found)

    def _stage_followers(self, target: Target) -> None:
        """Stage rows that name, by a value of their own, a row which comes or goes or changes that value."""
        for number, source in enumerate(target.sources):
            for child in self._concerned:
                for follower in child.sources:
                    for column, others in follower.follows.items():
                        for other in others:
                            table, _, name = other.rpartition(".")
                            if table == source.source:
                                self._stage_follower(target, source, number, name, follower, column)

    def _stage_follower(
        self, target: Target, source: Source, number: int, name: str, follower: Source, column: str
    ) -> None:
        work, rows, key = forward(target.name), staged(source.source), quoted(source.key)
        values = (
            f"SELECT s.{quoted(name)} FROM {rows} AS s JOIN {work} AS f ON f.legacy_key = s.{key} AND f.mapping = {number}"
            f" WHERE (f.tid IS NULL) = (f.broken IS NULL)"
        )
        if source.database == self._database.name:
            before = old(source.source)
            values += (
                f" UNION ALL SELECT o.{quoted(name)} FROM {before} AS o WHERE o.{key} IN (SELECT key FROM {gone(source.source)})"
                f" UNION ALL SELECT s.{quoted(name)} FROM {rows} AS s JOIN {before} AS o ON o.{key} = s.{key}"
                f" WHERE o.{quoted(name)} IS NOT s.{quoted(name)}"
            )
        if not self._run(f"SELECT 1 FROM ({values}) LIMIT 1").fetchone():
            return
        if follower.database == self._database.name:
            keys = f"SELECT {quoted(follower.key)} FROM {self._rows(follower)} WHERE {quoted(column)} IN ({values})"
        else:
            # Rows of another legacy database that found no row to refer to are in the quarantine.
            keys = (
                f"SELECT q.legacy_key FROM {self._plan.target}.quarantine AS q WHERE q.source = '{follower.source}'"
                f" AND q.legacy_key IS NOT NULL AND {reverse_sql.from_row_sql('q.row', column)} IN ({values})"
            )
        self._stage_as_it_is(follower, keys)

    # Writing.

    def _delete(self, target: Target, source: Source) -> None:
        """Delete the rows of deleted legacy rows, and what lineage and quarantine have of them."""
        keys = f"SELECT key FROM {gone(source.source)}"
        if not self._some(gone(source.source)):
            return
        self._delete_rows(target, source, keys)
        self._run(
            f"DELETE FROM {self._plan.target}.quarantine WHERE source = ? AND target = ? AND legacy_key IN ({keys})",
            (source.source, target.name),
        )

    def _delete_rows(self, target: Target, source: Source, keys: str) -> None:
        lineage = f"{self._plan.target}.lineage"
        of_rows = f"source = '{source.source}' AND +target = '{target.name}' AND legacy_key IN ({keys})"
        ids = f"SELECT target_id FROM {lineage} WHERE {of_rows}"
        self._let_go(target, ids)
        self._run(f"DELETE FROM {self._plan.target}.{quoted(target.name)} WHERE {quoted(target.key)} IN ({ids})")
        self._run(f"DELETE FROM {lineage} WHERE {of_rows}")

    def _let_go(self, target: Target, ids: str) -> None:
        """Do what the foreign keys say to rows without a legacy row that refer to rows which are deleted."""
        lineage = f"{self._plan.target}.lineage"
        for child in self._concerned:
            for column, parent, action in child.references:
                if parent != target.name:
                    continue
                table, name = f"{self._plan.target}.{quoted(child.name)}", quoted(column)
                alone = (
                    f"{name} IN ({ids}) AND NOT EXISTS (SELECT 1 FROM {lineage} AS x WHERE x.target = '{child.name}'"
                    f" AND x.target_id = +{quoted(child.name)}.{quoted(child.key)})"
                )
                if not self._run(f"SELECT 1 FROM {table} WHERE {alone} LIMIT 1").fetchone():
                    continue
                if action == "SET NULL":
                    self._run(f"UPDATE {table} SET {name} = NULL WHERE {alone}")
                elif action == "CASCADE":
                    self._run(f"DELETE FROM {table} WHERE {alone}")
                else:
                    raise sqlite3.IntegrityError(
                        f"FOREIGN KEY constraint failed: {child.name} has a row from other code that refers to this one"
                    )

    def _quarantine(self, target: Target, source: Source, number: int) -> None:
        """Keep the refused rows whole; take what is let in out of the quarantine."""
        rows, work, key = staged(source.source), forward(target.name), quoted(source.key)
        if not self._some(rows):
            return
        quarantine = f"{self._plan.target}.quarantine"
        self._run(
            f"DELETE FROM {quarantine} WHERE source = ? AND target = ? AND legacy_key IN (SELECT +{key} FROM {rows})",
            (source.source, target.name),
        )
        refused = f"SELECT legacy_key FROM {work} WHERE mapping = {number} AND broken IS NOT NULL"
        if not self._run(f"{refused} LIMIT 1").fetchone():
            return
        self._delete_rows(target, source, refused)
        self._run(put_sql.quarantine_refused(self._plan, source, number), (source.source, target.name))
        self._note_rows(source.source, refused)
        self._run(f"DELETE FROM {rows} WHERE {key} IN ({refused})")
        self._run(f"DELETE FROM {work} WHERE mapping = {number} AND broken IS NOT NULL")

    def _replace_parts(self, target: Target, source: Source, number: int) -> None:
        """Write legacy rows that become several rows anew."""
        rows, work, key = staged(source.source), forward(target.name), quoted(source.key)
        if not self._some(rows):
            return
        self._delete_rows(target, source, f"SELECT +{key} FROM {rows}")
        self._run(f"UPDATE {work} SET tid = NULL WHERE mapping = {number}")
        self._run(
            f"INSERT INTO {self._plan.target}.lineage (source, legacy_key, target) SELECT ?, {key}, ? FROM {rows}"
            f" WHERE {key} COLLATE BINARY NOT IN (SELECT legacy_key FROM {work} WHERE mapping = {number})",
            (source.source, target.name),
        )

    def _update_and_insert(self, target: Target) -> None:
        work, into = forward(target.name), f"{self._plan.target}.{quoted(target.name)}"
        for number, source in enumerate(target.sources):
            if self._run(f"SELECT 1 FROM {work} WHERE mapping = {number} AND tid IS NOT NULL LIMIT 1").fetchone():
                self._update(target, source, number)
        if not self._run(f"SELECT 1 FROM {work} WHERE tid IS NULL LIMIT 1").fetchone():
            return
        if any(source.number for source in target.sources):
            self._number(target, "tid IS NULL")
        columns = ", ".join(map(quoted, target.columns))
        self._run(f"INSERT INTO {into} ({columns}) SELECT {columns} FROM {work} WHERE tid IS NULL")
        for number, source in enumerate(target.sources):
            if not source.parts:
                # Other code may have deleted the row that the legacy row was.
                self._run(
                    f"DELETE FROM {self._plan.target}.lineage WHERE source = ? AND +target = ? AND legacy_key IN"
                    f" (SELECT legacy_key FROM {work} WHERE tid IS NULL AND mapping = ?)",
                    (source.source, target.name, number),
                )
            self._run(
                f"INSERT INTO {self._plan.target}.lineage (source, legacy_key, target, target_id) SELECT ?, legacy_key, ?,"
                f" {quoted(target.key)} FROM {work} WHERE tid IS NULL AND mapping = ? ORDER BY legacy_key, part",
                (source.source, target.name, number),
            )

    def _number(self, target: Target, which: str = "1") -> None:
        """Assign ids to the rows of the work table that have none, above every id that was ever given."""
        work, key = forward(target.name), quoted(target.key)
        asked = f"SELECT coalesce(max({key}), 0) FROM {self._plan.target}.{quoted(target.name)}"
        (largest,) = self._run(asked).fetchone()
        if target.autoincrement:
            given = f"SELECT coalesce(max(seq), 0) FROM {self._plan.target}.sqlite_sequence WHERE name = ?"
            largest = max(largest, self._run(given, (target.name,)).fetchone()[0])
        self._run(
            f"UPDATE {work} AS f SET {key} = ? + r.number FROM (SELECT rowid AS row, row_number() OVER (ORDER BY rowid)"
            f" AS number FROM {work} WHERE {which} AND {key} IS NULL) AS r WHERE r.row = f.rowid",
            (largest,),
        )

    def _update(self, target: Target, source: Source, number: int) -> None:
        """Write the cells that changed legacy cells feed."""
        if source.database == self._database.name:
            self._run(put_sql.make_former_rows(self._plan, target, source, number))
        statement = put_sql.update_cells(self._plan, target, source, number)
        if not statement:
            return
        if any(kind.startswith("UNIQUE") for _, kind, _ in target.uniques):
            self._free_unique_values(target, number)
        self._run(statement)

    def _free_unique_values(self, target: Target, number: int) -> None:
        """Put other values where rows exchange unique values: SQLite checks them row by row."""
        work, into, key = forward(target.name), f"{self._plan.target}.{quoted(target.name)}", quoted(target.key)
        for columns, _, _ in target.uniques:
            moved = " OR ".join(f"g.{quoted(name)} IS NOT f.{quoted(name)}" for name in columns)
            rows = f"SELECT f.tid FROM {work} AS f JOIN {into} AS g ON g.{key} = f.tid WHERE f.mapping = {number} AND ({moved})"
            if columns != (target.key,) and self._run(f"{rows} LIMIT 1 OFFSET 1").fetchone():
                free = ", ".join(f"{quoted(name)} = 'moving ' || {key}" for name in columns)
                self._run(f"UPDATE {into} SET {free} WHERE {key} IN ({rows})")

    def _write_rest(self, source: Source) -> None:
        """Compute the rest of the staged rows anew.

        Raises:
            sqlite3.DatabaseError: Back does not give one of them.
        """
        if not self._some(staged(source.source)):
            return
        self._run(put_sql.compute_rest(self._plan, source), (source.source, source.target))
        if self._run(f"SELECT 1 FROM {work_tables.REST} WHERE missing LIMIT 1").fetchone():
            raise sqlite3.DatabaseError(
                f"{source.source}: a row cannot be kept in the consolidated set; please report this"
            )
        self._run(
            f"UPDATE {self._plan.target}.lineage AS l SET rest = r.rest FROM {work_tables.REST} AS r"
            " WHERE l.rowid = r.lineage_row AND l.rest IS NOT r.rest"
        )
        self._run(f"DELETE FROM {work_tables.REST}")

    def _keep_sequence(self, source: str, table: LegacyTable) -> None:
        """Keep the largest id that the legacy table gave."""
        if not table.autoincrement:
            return
        given = "SELECT max(seq) FROM main.sqlite_sequence WHERE name = ?"
        (largest,) = self._run(given, (table.name,)).fetchone()
        if largest is None:
            return
        mapped = self._plan.source_of(self._database.name, table.name) if table.kind == "mapped" else None
        if mapped is not None and self._plan.counts_apart(mapped):
            self._run(
                f"INSERT INTO {self._plan.target}.{MIRRORED_SEQUENCE} VALUES (?, ?)"
                " ON CONFLICT (source) DO UPDATE SET seq = max(seq, excluded.seq)",
                (source, largest),
            )
        else:
            sequence = f"{self._plan.target}.sqlite_sequence"
            if not self._run(f"UPDATE {sequence} SET seq = max(seq, ?) WHERE name = ?", (largest, table.into)).rowcount:
                self._run(f"INSERT INTO {sequence} (name, seq) VALUES (?, ?)", (table.into, largest))

    # Lookups.

    def _refresh_lookups(self, names: Collection[str]) -> bool:
        """Compute the lookups *names* anew if their evidence has changed; return whether any was computed."""
        computed = False
        for name in names:
            one = self._plan.lookups[name]
            versions = tuple(self._versions.get(source, 0) for source, _ in one.evidence)
            if self._lookups_of.get(name) == versions:
                continue
            self._run(f"DELETE FROM {work_tables.EVIDENCE}")
            columns = ", ".join(f"column{number}" for number in range(1, one.width + 1))
            for source, statement in one.evidence:
                evidence = legacy_rows.replaced(statement, source, self._evidence(source))
                self._run(f"INSERT INTO {work_tables.EVIDENCE} ({columns}) {evidence}")
            self._run(f"DELETE FROM {work_tables.lookup(name)}")
            gives = legacy_rows.replaced(one.gives, "temp.evidence", work_tables.EVIDENCE)
            self._run(f"INSERT INTO {work_tables.lookup(name)} {gives}")
            self._lookups_of[name] = versions
            computed = True
        return computed

    def _rows(self, source: Source) -> str:
        """Return the legacy rows of *source* as a table of SQL: the mirror's where it has loaded them.

        A table is never loaded here: the set is between two states.
        """
        if source.database == self._database.name and folded(source.table) in self._loaded:
            return f"main.{quoted(source.table)}"
        return f"({legacy_rows.rows_sql(self._plan, source)})"

    def _evidence(self, name: str) -> str:
        """Return the rows of the legacy table *name* as a table of SQL."""
        database, _, table = name.partition(".")
        legacy = self._plan.databases[database].tables[folded(table)]
        if database == self._database.name and folded(table) in self._loaded:
            return f"main.{quoted(legacy.name)}"
        if legacy.kind == "carried":
            return f"{self._plan.target}.{quoted(legacy.into)}"
        return self._rows(self._plan.source(database, legacy.name))

    def _source(self, name: str) -> Source:
        return next(one for one in self._sources() if one.source == name)

    def _sources(self) -> Iterator[Source]:
        for target in self._plan.targets:
            yield from target.sources

    def _fill(self, table: str, statement: str) -> int:
        """Run a *statement* that inserts into the staging *table*; return the number of rows."""
        count: int = self._run(statement).rowcount
        if count:
            self._filled.add(table)
        return count

    def _empty(self, table: str) -> None:
        """Delete every row of the staging *table*."""
        if table in self._filled:
            self._run(f"DELETE FROM {table}")
            self._filled.discard(table)

    def _some(self, table: str) -> bool:
        """Return whether the staging *table* has rows."""
        return table in self._filled and self._run(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run a statement beside those of the caller."""
        return self._run(sql, parameters)
