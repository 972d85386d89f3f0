"""Judges the consolidated set that is in use, after a cutover: where names lead, and what each database has kept.

Rows that the application wrote have no lineage and no legacy row, so the contracts on a migration do not apply to them.  What
applies: the installed set was judged, the three are sound, what the cutover installed is still declared, and each name leads to
the set.  Whether each row finds its way back is proved apart from this, by a rollback on copies.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import EvidenceError, MigratorError
from migrator.records import precondition
from migrator.schema import catalogue
from migrator.stages.verify import evidence as verify_evidence
from migrator.stages.verify import freshness
from migrator.switch import consolidated_set, env_flag
from migrator.switch.state import Switch
from migrator.system import connections, error_hints, private_copy
from migrator.system.connections import quoted
from migrator.system.escaping import escaped

#: Broken references that are named for each table; of the others the number is given.
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged.

    Attributes:
        last: The cutover whose set is in use.
        copies: Target -> a private copy of the database in use, as it is now; without one that cannot be read.
        not_copied: Target -> why there is no copy.
        baseline: Target -> the database as the cutover installed it, where that is undamaged.
    """

    last: Switch
    copies: dict[str, Path]
    not_copied: dict[str, str]
    baseline: dict[str, Path]


def broken(last: Switch, baseline: dict[str, Path], scratch: Path) -> tuple[str, ...]:
    """Return what is wrong with the set in use, one sentence each; reads private copies below *scratch*."""
    copies, not_copied = {}, {}
    for target in last.targets:
        copy = scratch / catalogue.TARGETS[target]
        try:
            private_copy.private_copy(last.installed(target), copy)
            _declared(copy)
            copies[target] = copy
        except MigratorError as error:
            not_copied[target] = error.what
        except (OSError, sqlite3.Error) as error:
            not_copied[target] = error_hints.told(error).what
    return precondition.unmet(CHECKS, Case(last, copies, not_copied, baseline))


def installed_set_was_judged(case: Case) -> Iterator[str]:
    """Require that the evidence which the cutover kept is GO, and about the databases that it installed."""
    path = case.last.baseline / "evidence.json"
    try:
        evidence = verify_evidence.read(path)
    except EvidenceError as error:
        yield f"{escaped(path)}: {error.what}; what the contracts found before the cutover cannot be shown"
        return
    if evidence.verdict != "GO":
        yield f"{escaped(path)}: its verdict is {evidence.verdict}"
    for target, digest in case.last.digests.items():
        if evidence.consolidated.get(target) != digest:
            yield f"{escaped(path)}: is about another {catalogue.TARGETS[target]} than the cutover installed"


def names_lead_to_the_set(case: Case) -> Iterator[str]:
    """Require that each legacy name is a link to its consolidated database."""
    for name in case.last.names:
        wanted = case.last.installed(name.target)
        if not name.path.is_symlink() or os.path.realpath(name.path) != os.path.realpath(wanted):
            yield f"{escaped(name.path)}: does not lead to {wanted.name}; find out which program replaced the link"


def flag_is_set(case: Case) -> Iterator[str]:
    """Require that the application's .env sets the flag."""
    try:
        is_on = env_flag.flag(case.last.env_file)
    except (MigratorError, OSError) as error:
        why = error.what if isinstance(error, MigratorError) else error_hints.reason(error)
        yield f"{escaped(case.last.env_file)}: {env_flag.FLAG} cannot be read: {why}"
        return
    if not is_on:
        yield f"{escaped(case.last.env_file)}: {env_flag.FLAG} is not true, and the consolidated set is in use"


def originals_are_untouched(case: Case) -> Iterator[str]:
    """Require that no process has written to an original since the cutover."""
    for path in freshness.late_originals(case.last):
        if not os.path.lexists(path):
            yield f"{escaped(path)}: is gone since the cutover; put it back"
            continue
        yield f"{escaped(path)}: was written to after the cutover; find out which program still uses it"


def databases_are_sound(case: Case) -> Iterator[str]:
    """Require that SQLite reads each of the three, and finds no damaged page, index or constraint."""
    for database in consolidated_set.inventory(case.last.data_dir).databases:
        if not database.digest:
            yield f"{escaped(database.path)}: cannot be read: {escaped(database.reason) or 'no such file'}"
        elif database.integrity != ("ok",):
            yield f"{escaped(database.path)}: {escaped(database.integrity[0])}"


def databases_can_be_copied(case: Case) -> Iterator[str]:
    """Require a copy of each of the three: the checks after this one read it."""
    for target, why in case.not_copied.items():
        yield (
            f"{escaped(case.last.installed(target))}: could not be copied, so its references and declarations were not checked: "
            f"{escaped(why)}; to check them run: migrator verify"
        )


def references_hold(case: Case) -> Iterator[str]:
    """Require that each reference of each table leads to a row."""
    for target, copy in case.copies.items():
        with closing(connections.lenient(connections.scratch(copy))) as connection:
            consolidated_set.stand_in_collations(connection)
            try:
                rows = connection.execute(
                    'SELECT "table", "parent", count(*) FROM pragma_foreign_key_check GROUP BY 1, 2 ORDER BY 1, 2'
                ).fetchall()
            except sqlite3.DatabaseError as error:
                yield f"{catalogue.TARGETS[target]}: references cannot be checked: {escaped(error)}"
                continue
        for table, parent, count in rows[:_SHOWN]:
            yield f"{catalogue.TARGETS[target]}: {count:,} rows of {escaped(table)} refer to no row of {escaped(parent)}"
        if len(rows) > _SHOWN:
            yield f"{catalogue.TARGETS[target]}: and references of {len(rows) - _SHOWN} more tables"


def installed_objects_are_declared(case: Case) -> Iterator[str]:
    """Require each table, index, view and trigger that the cutover installed, with the text that it had."""
    for target, copy in case.copies.items():
        if target not in case.baseline:
            yield (
                f"{escaped(case.last.baseline / catalogue.TARGETS[target])}: is gone or damaged, so that nothing shows what the "
                "cutover installed; a rollback builds it anew"
            )
            continue
        then, now = (
            _declared(private_copy.private_copy(case.baseline[target], copy.with_name(f"{copy.name}.was"))),
            _declared(copy),
        )
        for (kind, name), sql in then.items():
            if (kind, name) not in now:
                yield f"{catalogue.TARGETS[target]}: {kind} {escaped(quoted(name))} is gone since the cutover"
            elif now[kind, name] != sql:
                yield f"{catalogue.TARGETS[target]}: {kind} {escaped(quoted(name))} is declared otherwise than at the cutover"


def _declared(path: Path) -> dict[tuple[str, str], str]:
    """Return kind and name of each declared object of a database -> its text."""
    with closing(connections.lenient(connections.scratch(path))) as connection:
        rows = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    return {(kind, name): sql for kind, name, sql in rows}


#: What is checked, in the order of the sentences.
CHECKS = (
    installed_set_was_judged,
    names_lead_to_the_set,
    flag_is_set,
    originals_are_untouched,
    databases_are_sound,
    databases_can_be_copied,
    references_hold,
    installed_objects_are_declared,
)
