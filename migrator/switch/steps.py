"""The durable steps of a switch: trees of links, the pointer, and files that are put aside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from migrator.errors import MigratorError
from migrator.switch.state import LEGACY, NEW, RESTORE, Name, Switch
from migrator.system import connections, durable_files
from migrator.system.escaping import escaped
from migrator.system.shell import quoted


def make_legacy_tree(switch: Switch) -> None:
    """Give each legacy file its second name, below ``legacy``."""
    for name in switch.names:
        kept = switch.tree(LEGACY) / name.place
        durable_files.make_private_folder(kept.parent)
        # Only a restore may bring back a file that is gone.
        if switch.kind != RESTORE or os.path.lexists(name.path):
            durable_files.link(name.path, kept)
        if switch.kind == RESTORE and not name.digest:
            # It is not held, so it may have a WAL.  Through the link SQLite finds it only below ``legacy``.
            for path, below in _companions(name, kept):
                if path.exists():
                    durable_files.link(path, below)


def make_new_tree(switch: Switch) -> None:
    """Make the links to the consolidated databases, below ``new``."""
    for name in switch.names:
        link = switch.tree(NEW) / name.place
        durable_files.make_private_folder(link.parent)
        durable_files.point(link, os.path.relpath(switch.installed(name.target), link.parent))


def commit(switch: Switch, to: str) -> None:
    """Turn the pointer: every name that goes through it changes in one instant."""
    for name in switch.names:
        durable_files.let_pass((switch.tree(to) / name.place).parent, name.path.parent)
    durable_files.let_pass(switch.tree(to), switch.data_dir)
    durable_files.point(switch.pointer, to)


def indirect(switch: Switch) -> None:
    """Make each name a link through the pointer.

    Raises:
        MigratorError: Another program has made a file under the name, which must not be lost.
    """
    for name in switch.names:
        if not (name.path.is_symlink() or _is_legacy(switch, name) or not os.path.lexists(name.path)):
            raise MigratorError("was replaced while it was switched", where=escaped(name.path), hint="stop its writer")
        through = switch.pointer / name.place
        durable_files.point(name.path, os.path.relpath(through, name.path.parent))


def flatten(switch: Switch) -> None:
    """Make each name a link to its consolidated database, as specified; a file that another program made there stays."""
    for name in switch.names:
        if name.path.is_symlink() or _is_legacy(switch, name) or not os.path.lexists(name.path):
            durable_files.point(name.path, os.path.relpath(switch.installed(name.target), name.path.parent))


def _is_legacy(switch: Switch, name: Name) -> bool:
    """Return whether the file under *name* is the legacy file, which keeps its second name."""
    kept = switch.tree(LEGACY) / name.place
    return kept.exists() and name.path.exists() and name.path.samefile(kept)


def put_aside(switch: Switch) -> list[Path]:
    """Move files that other programs made under a legacy name aside, with WAL and journal; return their new paths.

    SQLite would apply such a WAL to the legacy file.
    """
    moved = []
    for path, kept in _aside(switch):
        if path.is_file() and not path.is_symlink() and not connections.is_spent(path):
            durable_files.make_private_folder(kept.parent)
            durable_files.replace(path, kept)
            moved.append(kept)
    return moved


def put_companions_aside(switch: Switch, folder: Path) -> None:
    """Move journals and WALs beside each name that is still a link to *folder*: SQLite would apply them to another file.

    Those beside a file that has its name back belong to it.
    """
    for name in switch.names:
        for suffix in (*connections.COMPANIONS, "-shm"):
            path = connections.beside(name.path, suffix)
            if name.path.is_symlink() and os.path.lexists(path):
                kept = connections.beside(folder / name.place, suffix)
                durable_files.make_private_folder(kept.parent)
                durable_files.replace(path, kept)


def put_companions_back(switch: Switch, aside: Path) -> None:
    """Give journal and WAL of each file below ``legacy`` their names beside the legacy name, while that is still a link.

    The file itself gets its name back afterwards.  Another journal or WAL there is older, and moves to *aside*.
    """
    for name in switch.names:
        for path, below in _companions(name, switch.tree(LEGACY) / name.place):
            if not name.path.is_symlink() or (below.exists() and path.exists() and below.samefile(path)):
                continue
            if os.path.lexists(path):
                older = aside / name.place.parent / path.name
                durable_files.make_private_folder(older.parent)
                durable_files.replace(path, older)
            if below.exists():
                durable_files.link(below, path)


def _companions(name: Name, kept: Path) -> Iterator[tuple[Path, Path]]:
    """Yield the paths of journal, WAL and its index beside *name* and beside *kept*."""
    for suffix in (*connections.COMPANIONS, "-shm"):
        yield connections.beside(name.path, suffix), connections.beside(kept, suffix)


def take_from_aside(switch: Switch) -> None:
    """Move back what :func:`put_aside` moved."""
    for path, kept in _aside(switch):
        if kept.exists():
            durable_files.replace(kept, path)
    durable_files.remove_folder(switch.aside)


def _aside(switch: Switch) -> Iterator[tuple[Path, Path]]:
    """Yield the path of each file that another program may have made, and the path that it is moved to."""
    for name in switch.names:
        for suffix in ("", *connections.COMPANIONS, "-shm"):
            yield connections.beside(name.path, suffix), connections.beside(switch.aside / name.place, suffix)


def put_back(switch: Switch, tree: str) -> None:
    """Give each file of *tree* the legacy name that goes through the pointer to it."""
    for name in switch.names:
        kept = switch.tree(tree) / name.place
        if not kept.exists():
            continue
        if name.path.is_symlink():
            durable_files.replace(kept, name.path)
        elif name.path.samefile(kept):
            durable_files.remove(kept)
        else:
            raise MigratorError(
                f"another process has put a file here during the switch; expected a link, or the same file as {escaped(kept)}",
                where=escaped(name.path),
                hint=f"move it away, then run the command again: mv {quoted(name.path)} {quoted(f'{name.path}.other')}",
            )
