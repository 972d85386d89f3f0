"""Findings of a plan: what the migration leaves behind, and what the owners may have to correct."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from migrator.config.config_file import folders
from migrator.records.inventory import Verdict
from migrator.records.plan import Fate
from migrator.schema import text_encoding
from migrator.stages.plan.preconditions import Case
from migrator.switch import target_permissions
from migrator.system.escaping import escaped


def findings(case: Case) -> Iterator[str]:
    """Yield one sentence for each finding."""
    yield from case.inventory.findings
    yield from _of_configuration(case)
    yield from _of_files(case)
    yield from _of_tables_left_behind(case)
    yield from _of_carried_references(case)
    yield from _of_header_numbers(case)
    yield from _of_constants(case)
    yield from target_permissions.findings(case.sources(), case.inventory.data_dir, case.config.file_mode)


def _of_configuration(case: Case) -> Iterator[str]:
    present = {database.path_in_snapshot for database in case.inventory.databases}
    present |= {folder for path in present for folder in folders(path)}
    for named in case.config.files:
        if PurePosixPath(named) not in present:
            yield f"the configuration names {escaped(named)}, which is not there"


def _of_files(case: Case) -> Iterator[str]:
    for database in case.inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
        fate = case.config.fate(database)
        carried = fate.startswith("carry:") or (database.verdict is Verdict.SOURCE and not fate)
        if carried and database.encoding not in ("", text_encoding.UTF8):
            yield (
                f"{escaped(database.place)}: its text is {database.encoding}; the three hold it in UTF-8, and a rollback "
                f"puts it back into {database.encoding}"
            )
        for what, names in (("views", database.views), ("triggers", database.triggers)):
            if carried and names:
                shown = ", ".join(escaped(name) for name in names)
                yield f"{escaped(database.place)}: {what} stay in the backup and are not executed: {shown}"


def _of_tables_left_behind(case: Case) -> Iterator[str]:
    for database, table, fate in case.decided():
        if fate is Fate.DERIVED:
            yield (
                f"{escaped(database.place)}: {escaped(table.name)} ({table.module}) {escaped(table.about or table.problem)}; "
                "it stays in the backup and is not there after a cutover"
            )


def _of_carried_references(case: Case) -> Iterator[str]:
    children = [
        f"{escaped(database.known_as)}.{escaped(table.name)}"
        for database, table, fate in case.decided()
        if fate is Fate.CARRIED and table.parents
    ]
    if children:
        yield (
            "after a cutover no foreign key is checked in these carried tables; a rollback brings the keys back: "
            f"{', '.join(children)}"
        )


def _of_header_numbers(case: Case) -> Iterator[str]:
    leaving = {table.source.partition(".")[0] for table in case.tables if table.fate in (Fate.MAPPED, Fate.CARRIED)}
    for database in case.inventory.with_verdict(Verdict.SOURCE, Verdict.UNKNOWN):
        for pragma, value in (("user_version", database.user_version), ("application_id", database.application_id)):
            if value and database.known_as in leaving:
                yield (
                    f"{escaped(database.place)}: its {pragma} is {value}; a file has only one, so that it reads 0 after a "
                    "cutover; the backup keeps it, and a rollback brings it back"
                )


def _of_constants(case: Case) -> Iterator[str]:
    """Yield each constant that no row needs yet: a rollback builds once more, with the rows written since."""
    for name, source in sorted(case.constants(needed=False).items()):
        yield (
            f"{source} is empty, so no row needs the constant {name} yet; rows that are written after a cutover do, "
            "and without it a rollback is refused: give it before"
        )
