"""Reads the quarantine of the set that counts, the stage, or after a cutover the set in use; accepts rows, and resolves them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from migrator.application.compat import resolving
from migrator.config import config_file
from migrator.errors import Refused, UsageError
from migrator.quarantine import acceptance, edited_export, listing, toml_cells
from migrator.quarantine import decisions as quarantine_decisions
from migrator.quarantine import export as quarantine_export
from migrator.quarantine import rows as quarantine_rows
from migrator.quarantine.rows import QuarantinedRow
from migrator.records.quarantine import Accepting, Deciding, Explanation, Exported, Quarantine, Resolved
from migrator.schema import catalogue
from migrator.switch import state as switch_state
from migrator.switch import trust
from migrator.switch.workspace import Workspace
from migrator.system import durable_files, mounts, private_copy, user_files
from migrator.system.escaping import escaped
from migrator.system.temporary_folders import private_folder


def listed(workspace: Workspace) -> Quarantine:
    """Return the quarantined rows by cause, money first; changes nothing.

    Raises:
        Refused: There is no finished build.
    """
    with _copies(workspace) as copies:
        return listing.grouped(quarantine_rows.read(copies))


def reviewed(workspace: Workspace) -> tuple[Quarantine, bool]:
    """Return the quarantined rows by cause, and whether the owners accept them as they are; changes nothing.

    Raises:
        Refused: There is no finished build.
        EvidenceError: The record of the accepted rows cannot be read.
    """
    with _copies(workspace) as copies:
        every = tuple(quarantine_rows.read(copies))
    open_rows = [row for row in every if not row.is_settled]
    return listing.grouped(every), not acceptance.difference(open_rows, acceptance.read(workspace.accepted))


def explained(workspace: Workspace, key: str) -> Explanation:
    """Return why the rows with the legacy *key* are in quarantine; changes nothing.

    Raises:
        Refused: There is no finished build.
        UsageError: No quarantined row has that key.
    """
    in_use = switch_state.cutover_in_use(workspace.data_dir) is not None
    with _copies(workspace) as copies:
        return listing.explained(quarantine_rows.read(copies), key, copies, in_use=in_use)


def exported(workspace: Workspace, path: Path) -> Exported:
    """Write every quarantined row, whole, to the new file *path*, which only its owner can read.

    Raises:
        Refused: There is no finished build.
        UsageError: The file cannot be written there, or has no known form.
    """
    with _copies(workspace) as copies:
        return quarantine_export.export(quarantine_rows.read(copies), path)


def decide(workspace: Workspace, file: Path, config: Path, *, write: bool) -> Deciding:
    """Add the decisions in the edited export *file* to the configuration at *config*, of which every byte stays.

    Args:
        workspace: The data directory and what belongs to it.
        file: The edited export.
        config: The configuration; it is made if it is not there.
        write: Whether to write it; without, nothing is changed.

    Raises:
        Refused: There is no finished build, the consolidated set is in use, or *config* is a link of one user to a file of
            another, or is mounted by itself.
        UsageError: The file is no export, a row has changed since, or the configuration cannot take the decisions.
    """
    workspace.refuse_after_a_cutover()
    if what := user_files.astray(config):
        raise Refused(escaped(what), where=escaped(config), hint="name the file itself with --config")
    with _copies(workspace) as copies:
        decisions = edited_export.read(file, tuple(quarantine_rows.read(copies)))
    added = toml_cells.entries(decisions)
    there = os.path.lexists(config)
    former = user_files.content(config) if there else b""
    whole = b"".join((former, b"" if former.endswith(b"\n") or not former else b"\n", added.encode()))
    config_file.read(whole.decode("utf-8-sig"), config)
    written = write and bool(added)
    if written and mounts.is_mounted(config.resolve()):
        raise Refused(
            "is mounted by itself, so that no other file can take its place",
            where=escaped(config),
            hint="mount its folder; or run this with --print, and put the lines into the file on the host",
        )
    if written and there:
        # A link stays: it may lead to a configuration that several sets share.
        durable_files.rewrite(config.resolve(), whole)
    elif written:
        durable_files.write(config, added.lstrip())
    in_words = tuple(quarantine_decisions.in_words(decision) for decision in decisions)
    return Deciding(path=config, written=written, text=added, decisions=in_words)


def rows(workspace: Workspace) -> tuple[QuarantinedRow, ...]:
    """Return the quarantined rows that the owners did not decide to leave there; changes nothing.

    Raises:
        Refused: There is no finished build.
    """
    with _copies(workspace) as copies:
        return tuple(row for row in quarantine_rows.read(copies) if not row.is_settled)


def unaccepted(workspace: Workspace) -> int:
    """Return how many quarantined rows of the stage the owners did not accept as they are; changes nothing.

    Raises:
        Refused: There is no finished build.
        EvidenceError: The record of the accepted rows cannot be read.
    """
    unlike = acceptance.difference(rows(workspace), acceptance.read(workspace.accepted))
    return len(unlike.came) + len(unlike.changed)


def accept(workspace: Workspace, keys: Sequence[str] = ()) -> Accepting:
    """Record which quarantined rows of the stage the owners accept; a cutover requires that for each of them.

    Rows with money at stake are accepted if *keys* names them, or if they were accepted before and are the same.

    Raises:
        Refused: There is no finished build, or the consolidated set is in use.
        UsageError: A key names no row, or rows of several legacy tables, or with several keys: a text and a BLOB.
        EvidenceError: The record of the rows accepted before cannot be read.
    """
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is not None:
        raise Refused(
            f"the consolidated set of run {last.run} is in use, and rows are accepted before a cutover only",
            where=workspace.data_dir,
            hint="to move a row into its table run: migrator quarantine resolve KEY",
        )
    every, before = rows(workspace), acceptance.read(workspace.accepted)
    accepted, needed = acceptance.accept(every, keys, before)
    acceptance.write(accepted, workspace.accepted)
    return Accepting(
        path=workspace.accepted,
        rows=len(every),
        accepted=len(accepted),
        needed=needed,
        difference=acceptance.difference(every, before),
    )


def resolve(workspace: Workspace, key: str, cells: Mapping[str, str]) -> Resolved:
    """Move the quarantined row *key* of the set in use into its target table, with *cells* set; the application may be running.

    Raises:
        Refused: There was no cutover, the row does not fit, or another row would have to leave its table for it.
        UsageError: *key* names no row or several, or *cells* has a column that cannot be set.
        sqlite3.Error: The consolidated database cannot be written.
    """
    last = switch_state.cutover_in_use(workspace.data_dir)
    if last is None:
        raise Refused(
            "the legacy set is in use, and rows are resolved after a cutover only",
            where=workspace.data_dir,
            hint="correct the row in its legacy file, then run: migrator migrate",
        )
    trust.refuse(last, workspace.include, workspace.env_file)
    with _copies(workspace) as copies:
        # Also those that the owners decided to leave there.
        meant = listing.meant(tuple(quarantine_rows.read(copies)), key)
    if len(meant) > 1:
        raise UsageError(f"{key!r} names {len(meant)} rows", hint=f"resolve one at a time: {listing.handles(meant)}")
    (row,) = meant
    found = resolving.resolve(last, row, cells)
    where = f"{row.source} {escaped(row.handle)}"
    if found.row.broken:
        with _copies(workspace) as copies:
            (explained,) = listing.explained([found.row], f"{row.source}:{found.row.handle}", copies).rows
        reasons = "; ".join((explained.cause, *explained.because))
        raise Refused(
            f"does not fit into {row.target}: {reasons}",
            where=where,
            hint="nothing was changed",
            logged=f"{where}: does not fit into {row.target}",
        )
    if found.displaced:
        names = ", ".join(f"{source}:{escaped(name)}" for source, name in found.displaced)
        raise Refused(f"would displace {names}, which would go to quarantine", where=where, hint="nothing was changed")
    return Resolved(
        source=row.source,
        key=found.row.handle,
        target=row.target,
        ids=tuple(map(str, found.ids)),
        cells=tuple(cells),
        also=tuple(f"{source}:{name}" for source, name in found.also),
    )


@contextmanager
def _copies(workspace: Workspace) -> Iterator[Mapping[str, Path]]:
    """Yield a private copy of each target database."""
    last = switch_state.cutover_in_use(workspace.data_dir)
    paths = {
        target: last.installed(target) if last is not None else workspace.stage / name
        for target, name in catalogue.TARGETS.items()
    }
    if missing := [path for path in paths.values() if not path.is_file()]:
        raise Refused("there is no finished build", where=missing[0], hint="run: migrator migrate")
    with private_folder() as folder:
        yield {
            target: private_copy.private_copy(path, folder / f"{target}.db", at_rest=True)
            for target, path in paths.items()
        }
