"""The child process that reads databases of unknown content: ``python -m migrator.stages.inventory.inspect_worker``.

It reads one request per line, copies the file, reads the copy to its end, and answers with one line; the parent sets the
deadline.  A file may be damaged or hostile: if it crashes SQLite, only this process dies, which holds no data, may neither
write nor run code of the schema, and ends by itself when memory or time is short.

A request is a JSON object with ``path``, ``copy`` (where to copy it, in a folder of its own) and ``seconds``; the answer
has ``reason`` ('' if all went well) and what was found out until then.  JSON carries odd bytes of names as lone surrogates.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from migrator.errors import DdlError, SourceError
from migrator.schema import declaration, text_encoding
from migrator.system import connections, content_digest, database_layout, error_hints, private_copy, virtual_tables
from migrator.system.connections import NOT_HERE, OF_ITS_FORMAT, folded, quoted

#: Address space of the process [bytes].
MEMORY_BYTES = 2 * 1024**3
#: Size of a temporary file beyond eight times the database [bytes]: sorting needs room.
FILE_BYTES = 1024**3
#: Instructions of SQLite's virtual machine between two checks of the clock.
STEPS = 100_000
#: Greatest read version that SQLite knows: that of a file in WAL mode.
_READ_VERSION = 2
#: Longest reason [characters]; messages of SQLite quote the file.
REASON_CHARACTERS = 300
#: Messages of an integrity check that are kept, and that are searched for a worse one.
MESSAGES, MESSAGES_SEEN = 10, 100_000
#: SQLite's messages about an object that it cannot parse, but a newer SQLite or one with more modules may.
LACKING = re.compile(
    r"malformed database schema \((?P<object>.*)\) - (?P<what>no such .*|unknown .*|unsafe use of .*|near \".*"
    r"|unrecognized token: .*|incomplete input|Expression tree is too large.*)",
    re.DOTALL,
)
#: The missing object at the end of such a message: ``no such collation sequence: german``, ``unknown function: score_of()``.
_NAMED = re.compile(r': ([^:]+?)(?:\(\))?$|"([^"]+)"$')
#: Messages of integrity_check about readable rows that violate the schema: a finding, not damage.
BROKEN_PROMISE = re.compile(r"CHECK constraint failed in |(?:non-)?[A-Z]+ value in ")

_PRAGMAS = {
    "application_id",
    "cache_size",
    "data_version",
    "encoding",
    "foreign_key_list",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "page_size",
    "table_xinfo",
    "user_version",
}
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION}
_JOURNAL_MODES = {1: "delete", 2: "wal"}
_ENCRYPTED_BITS = 7.0


def main() -> int:
    """Answer requests until stdin ends."""
    _confine()
    for line in sys.stdin:
        request = json.loads(line)
        _limit_files(Path(request["path"]))
        answer = examine(Path(request["path"]), copy=Path(request["copy"]), seconds=request["seconds"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


def examine(path: Path, *, copy: Path, seconds: float) -> dict[str, Any]:
    """Return the description of the database at *path*, with a ``reason`` if it cannot be read."""
    until = time.monotonic() + seconds
    facts: dict[str, Any] = {"reason": ""}
    try:
        _need_room(path, copy)
        private_copy.private_copy(path, copy)
        facts |= _header(copy)
        facts["reason"] = _not_a_database(copy)
        if not facts["reason"]:
            _content(copy, facts, until)
    except SourceError as error:
        facts["reason"] = _companion(path, error.where) + error.what
    except OSError as error:
        facts["reason"] = _companion(path, error.filename) + _os_reason(error)
    except MemoryError:
        facts["reason"] = "needs more memory than an examination may use"
    except (sqlite3.Error, UnicodeError) as error:
        facts["reason"] = f"did not finish within {seconds:.0f} s" if time.monotonic() > until else _reason(error, copy)
    return facts


def _need_room(path: Path, copy: Path) -> None:
    """Check that there is room for a copy, so that a partial copy does not fill the disk.

    Raises:
        OSError: There is no room.
    """
    needed = sum(
        connections.allocated_bytes(connections.beside(path, suffix)) for suffix in ("", *connections.COMPANIONS)
    )
    if needed > shutil.disk_usage(copy.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _content(copy: Path, facts: dict[str, Any], until: float) -> None:
    with connections.closing_scratch(copy) as connection:
        connection.text_factory = content_digest.any_text
        connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
        connection.execute("PRAGMA query_only = ON")
        # From here on only reading is authorised; the schema cannot change that.
        connection.set_authorizer(_may)
        # Recovers a WAL or a hot journal.
        parts = content_digest.layout(connection)
        for name in ("page_size", "encoding", "user_version", "application_id"):
            facts[name] = connection.execute(f"PRAGMA {name}").fetchone()[0]
        facts["views"] = [entry.name for entry in parts.entries if entry.type == "view"]
        facts["triggers"] = [entry.name for entry in parts.entries if entry.type == "trigger"]
        facts["integrity"], damaged = _integrity(connection)
        if damaged:
            facts["reason"] = f"damaged: {facts['integrity'][0]}"
            return
        held = content_digest.content(connection)
        facts["digest"] = held.digest
        facts["tables"] = _tables(connection, parts, held)
        if facts["encoding"] != text_encoding.UTF8:
            facts["lost_text"] = [
                found for table in held.tables for found in _lost_text(connection, facts["encoding"], table.name)
            ]


def _tables(
    connection: sqlite3.Connection, parts: database_layout.Layout, held: content_digest.Content
) -> list[tuple[dict[str, Any], list[tuple[str, str]]]]:
    """Return what :class:`migrator.records.inventory.Table` says of each table, and its columns."""
    hidden = {*parts.shadows, "sqlite_sequence"}
    made = declaration.of_tables(parts.entries)
    tables = [
        (
            {
                "name": table.name,
                "rows": table.rows,
                "digest": table.digest,
                "indexes": [name for name, _ in made[folded(table.name)].indexes],
                "parents": _parents(connection, table.name),
                "problem": _problem(table.name, made[folded(table.name)]),
            },
            _columns(connection, table.name),
        )
        for table in held.tables
        if table.name not in hidden
    ]
    every = virtual_tables.kept(connection, parts)
    for name, module in parts.virtual:
        kept = every[name]
        columns: list[tuple[str, str]] = []
        if module == "fts5":
            # Only modules that SQLite's authors test against hostile files may connect; no row is read through one.
            try:
                columns = _columns(connection, name)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR:
                    raise
                kept = virtual_tables.Kept(kept.rows, f"{NOT_HERE}: {error}")
        tables.append(({"name": name, "module": module or "unknown", "digest": "", **kept._asdict()}, columns))
    return tables


def _lost_text(connection: sqlite3.Connection, encoding: str, table: str) -> Iterator[str]:
    """Yield each column of *table* with text that a rollback could not write back, and the number of rows."""
    described = connection.execute(f"PRAGMA main.table_xinfo({quoted(table)})").fetchall()
    for column in [name for _, name, *_, hidden in described if hidden in {0, 3}]:
        cell = quoted(column)
        cells = connection.execute(f"SELECT {cell}, CAST({cell} AS BLOB) FROM {quoted(table)} NOT INDEXED")
        rows = sum(isinstance(text, str) and text_encoding.lost(encoding, text, raw) for text, raw in cells)
        if rows:
            yield f"{table}.{column} ({rows:,} row{'s' if rows > 1 else ''})"


def _problem(table: str, made: declaration.Statements) -> str:
    """Return why the table cannot be carried, '' if it can or has a home in the specification."""
    try:
        declaration.renamed(made, table, f"copy_of_{table}")
    except DdlError as error:
        return error.what[:REASON_CHARACTERS]
    return ""


def _parents(connection: sqlite3.Connection, table: str) -> list[str]:
    listed = connection.execute(f"PRAGMA main.foreign_key_list({quoted(table)})").fetchall()
    return sorted({parent for _, _, parent, *_ in listed})


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    described = connection.execute(f"PRAGMA main.table_xinfo({quoted(table)})").fetchall()
    return [(name, declared) for _, name, declared, *_, hidden in described if hidden != 1]


def _integrity(connection: sqlite3.Connection) -> tuple[list[str], bool]:
    """Return the first messages of the integrity check, the worst first, and whether the file is damaged."""
    messages, damage = [], []
    for limit in (MESSAGES, MESSAGES_SEEN):
        rows = connection.execute(f"PRAGMA integrity_check({limit})").fetchall()
        # One row may hold several messages below a title.
        messages = [line for (row,) in rows for line in row.split("\n") if not line.startswith("***")]
        damage = [message for message in messages if message != "ok" and not BROKEN_PROMISE.match(message)]
        if damage or len(rows) < limit:
            break
    return [message[:REASON_CHARACTERS] for message in (damage or messages)[:MESSAGES]], bool(damage)


def _may(action: int, argument: str | None, function: str | None = None, *_: str | None) -> int:
    allowed = (
        action in _ALLOWED
        or (action == sqlite3.SQLITE_FUNCTION and function == "count")
        or (action == sqlite3.SQLITE_PRAGMA and argument in _PRAGMAS)
        # SQLite requests this when a virtual table declares its columns; it writes nothing.
        or (action == sqlite3.SQLITE_UPDATE and argument == "sqlite_master")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _header(copy: Path) -> dict[str, Any]:
    """Return the facts in the file's header, read without SQLite."""
    with copy.open("rb") as file:
        head = file.read(100)
    facts: dict[str, Any] = {
        "size_bytes": copy.stat().st_size,
        "wal_bytes": _size(connections.beside(copy, "-wal")),
        "journal_bytes": _size(connections.beside(copy, "-journal")),
        "hot_journal": _hot(connections.beside(copy, "-journal")),
    }
    if head.startswith(connections.MAGIC) and len(head) == 100:
        facts["journal_mode"] = _JOURNAL_MODES.get(head[18], "unknown")
    return facts


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


def _hot(journal: Path) -> bool:
    """Return whether the journal is hot: a finished one is empty or begins with zeros."""
    if not journal.exists():
        return False
    with journal.open("rb") as file:
        return any(file.read(1))


def _not_a_database(copy: Path) -> str:
    """Return why the file is not a database, judged by its first page; '' if SQLite has to judge."""
    with copy.open("rb") as file:
        head = file.read(4096)
    if head.startswith(connections.MAGIC):
        return "" if len(head) >= 512 else f"truncated: {len(head)} bytes, and the smallest page has 512"
    if head.startswith(bytes.fromhex("00051607")):
        return "not a database: an AppleDouble file, which macOS leaves beside a copied one"
    if head.startswith(b"version https://git-lfs"):
        return "not a database: a Git LFS pointer to a file that was not fetched"
    if connections.MAGIC.startswith(head):
        return f"truncated: {len(head)} bytes"
    counts = Counter(head)
    bits = -sum(n / len(head) * math.log2(n / len(head)) for n in counts.values())
    if len(head) >= 512 and bits > _ENCRYPTED_BITS:
        return "not a database: no header and bytes as if random; it looks encrypted or compressed"
    return "not a database: it does not begin as SQLite files do"


def _reason(error: Exception, copy: Path) -> str:
    """Return why SQLite could not read the copy; a message that is not UTF-8 becomes a decoding error."""
    message = content_digest.any_text(error.object) if isinstance(error, UnicodeDecodeError) else str(error)
    lacking = LACKING.fullmatch(message)
    # Damage has errors of its own: SQLITE_CORRUPT, SQLITE_NOTADB and the like.
    if lacking or getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_ERROR:
        what = lacking["what"] if lacking else message
        named = _NAMED.search(what)
        about = _because_of(copy, lacking["object"] if lacking else "", (named[1] or named[2]) if named else None)
        return f"{NOT_HERE}{about}: {what}"[:REASON_CHARACTERS]
    if isinstance(error, UnicodeDecodeError):
        return f"damaged: {message[:REASON_CHARACTERS]}"
    if isinstance(error, UnicodeError):
        return "the name of a table or column is not UTF-8: SQL cannot name it"
    with copy.open("rb") as file:
        head = file.read(100)
    # A reader must not touch a file with a greater read version (sqlite.org/fileformat.html, section 1.3.3).
    if head.startswith(connections.MAGIC) and head[19] > _READ_VERSION:
        return (
            f"{NOT_HERE}{OF_ITS_FORMAT}: its read version is {head[19]}, and SQLite "
            f"{sqlite3.sqlite_version} reads up to {_READ_VERSION}"
        )
    size, page, pages = copy.stat().st_size, int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    page = 65536 if page == 1 else page
    # The count of pages holds if the two counters of changes agree (sqlite.org/fileformat.html, section 1.3.7).
    if head[24:28] == head[92:96] and size < page * pages and not connections.beside(copy, "-wal").exists():
        return f"truncated: {size} bytes, and its header says {pages} pages of {page}"
    return f"damaged: {str(error)[:REASON_CHARACTERS]}"


def _because_of(copy: Path, name: str, mentioned: str | None) -> str:
    """Return the object of the copy that SQLite cannot read: it has this *name*, or *mentioned* is in its SQL."""
    try:
        with connections.closing_scratch(copy) as connection:
            # With this SQLite skips objects that it cannot parse.
            connection.execute("PRAGMA writable_schema = ON")
            entry = connection.execute(
                "SELECT type, name FROM sqlite_schema WHERE name = :name OR instr(sql, :mentioned) ORDER BY name = :name DESC LIMIT 1",
                {"name": name, "mentioned": mentioned},
            ).fetchone()
    except (sqlite3.Error, UnicodeError):
        return ""
    return f" because of the {entry[0]} {entry[1]}" if entry else ""


def _companion(path: Path, where: object) -> str:
    """Return the prefix that names the companion *where* of the database *path*; '' if it is the database."""
    named = next((suffix for suffix in connections.COMPANIONS if where and str(where) == f"{path}{suffix}"), "")
    return f"its {named}: " if named else ""


def _os_reason(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return "no space for its private copy; set TMPDIR to a folder with room"
    if error.errno == errno.ELOOP:
        return "a symbolic link, which is not followed"
    return error_hints.reason(error)


def _confine() -> None:
    os.umask(0o077)
    try:
        import resource  # noqa: PLC0415 - not on every system; there the deadline alone protects
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _limit_files(path: Path) -> None:
    """Limit the size of files that the inspection of *path* writes."""
    try:
        import resource  # noqa: PLC0415 - not on every system

        size_bytes = FILE_BYTES + 8 * path.lstat().st_size
    except (ImportError, OSError):
        # The inspection reports a file that cannot be read.
        return
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))


if __name__ == "__main__":
    raise SystemExit(main())
