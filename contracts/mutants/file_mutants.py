"""Mutants of the files: faults of a bad copy, a bad disk or a careless user."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from contracts.mutants.fixtures import Stand
from contracts.mutants.mutant import Mutant, Planted
from migrator.schema import catalogue
from migrator.system import connections

#: Page size of our databases [bytes].
_PAGE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoilt(Mutant):
    """A change of a file.

    Attributes:
        target: The database.
        deed: Changes the file.
    """

    target: str
    deed: Callable[[Path], None]

    family = "files"

    def plant(self, stand: Stand, folder: Path) -> Planted:
        """Change a copy of the file."""
        stand.copy(self.specimen, folder)
        self.deed(folder / catalogue.TARGETS[self.target])
        return Planted(consolidated=folder, legacy=stand.legacy(self.specimen))


def mutants(specimen: str) -> Iterator[Spoilt]:
    """Yield every mutant of the files of *specimen*, in each of the three databases."""
    for target in catalogue.TARGETS:
        for kind, deed in _DEEDS.items():
            yield Spoilt(kind=kind, where=target, specimen=specimen, target=target, deed=deed)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _half(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def _a_page_less(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - _PAGE)


def _no_database(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"SQLite format 4\0")


def _overwrite(path: Path, page: int, what: bytes) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * _PAGE)
        file.write(what)


def _root(path: Path, *, kind: str) -> int:
    """Return the first page of a table or an index with several pages."""
    with closing(connections.read(path)) as connection:
        page = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE type = ? AND tbl_name = 'lineage' ORDER BY name", (kind,)
        ).fetchone()
    return int(page[0])


def _zeros(path: Path) -> None:
    _overwrite(path, _root(path, kind="table"), bytes(_PAGE))


def _noise(path: Path) -> None:
    _overwrite(path, _root(path, kind="index"), b"\xa5" * _PAGE)


def _bit(path: Path) -> None:
    """Flip one bit in the last cell of a page: the structure stays valid, only a value changes."""
    page = _root(path, kind="table")
    with path.open("r+b") as file:
        file.seek(page * _PAGE - 3)
        (byte,) = file.read(1)
        file.seek(page * _PAGE - 3)
        file.write(bytes([byte ^ 1]))


def _index_lacks_an_entry(path: Path) -> None:
    with closing(connections.scratch(path)) as connection:
        name, sql, table = connection.execute(
            "SELECT name, sql, tbl_name FROM sqlite_schema WHERE type = 'index' AND name = 'idx_lineage_source'"
        ).fetchone()
        connection.execute(f"DROP INDEX {connections.quoted(name)}")
        connection.execute(
            f"{sql} WHERE rowid < (0 + {connection.execute(f'SELECT max(rowid) FROM {table}').fetchone()[0]})"
        )
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", (sql, name))


def _rollback_journal(path: Path) -> None:
    with closing(connections.scratch(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")


def _in_the_wal(path: Path, statement: str) -> None:
    """Run *statement* and leave it in a WAL that was not checkpointed."""
    copy = path.with_suffix(".copy")
    copy.write_bytes(path.read_bytes())
    connection = connections.scratch(copy)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(statement)
    wal = connections.beside(copy, "-wal").read_bytes()
    connection.close()
    for left in (copy, connections.beside(copy, "-wal"), connections.beside(copy, "-shm")):
        left.unlink(missing_ok=True)
    connections.beside(path, "-wal").write_bytes(wal)


def _lost_in_the_wal(path: Path) -> None:
    _in_the_wal(path, "DELETE FROM lineage WHERE rowid = (SELECT max(rowid) FROM lineage)")


def _for_everybody(path: Path) -> None:
    path.chmod(0o666)


_DEEDS: dict[str, Callable[[Path], None]] = {
    "file missing": Path.unlink,
    "file empty": _empty,
    "file cut to its half": _half,
    "file cut by a page": _a_page_less,
    "file that is no database": _no_database,
    "page of zeros": _zeros,
    "page of noise": _noise,
    "one bit turned round": _bit,
    "index that lacks an entry": _index_lacks_an_entry,
    "rollback journal instead of a WAL": _rollback_journal,
    "row lost in a WAL that was left out": _lost_in_the_wal,
    "file that everybody may write": _for_everybody,
}
