"""Records which statements a program runs on legacy databases: the text and the types of the parameters, no values.

The file has a JSON object on each line, one for each distinct statement of a database::

    {"database": "jarvis", "sql": "SELECT ... WHERE id = ?", "parameters": [["text"], ["int"]], "count": 12}

``parameters`` has an example for each distinct combination of types that was seen, a list or, for named parameters, an object:
``null``, ``int``, ``real``, ``text``, ``blob``, or the name of a class that the program converts by an adapter.  ``count`` is
the number of times that the program ran the statement.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from migrator.errors import UsageError
from migrator.system import output_files

#: Time between two writes [s]: what a process that is killed has not yet written is lost.
WRITTEN_EVERY_S = 1.0
#: Examples of parameters that are kept for each statement.
MOST_EXAMPLES = 8
#: Distinct statements that are kept: a program that writes values into the text has a new statement for each value.
MOST_STATEMENTS = 10_000
#: Time to wait for another process that writes the record [s].
_PATIENCE_S = 10.0

_TYPES: Mapping[type, str] = {
    type(None): "null",
    bool: "int",
    int: "int",
    float: "real",
    str: "text",
    bytes: "blob",
    bytearray: "blob",
    memoryview: "blob",
}

#: A statement: the database and its text; what is recorded of it: the number of runs, and the examples.
_Statement = tuple[str, str]
_Runs = dict[_Statement, tuple[int, list[Any]]]


class Record:
    """What this process has recorded since it last wrote; threads may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._runs: _Runs = {}
        self._due = 0.0
        atexit.register(self.write)
        os.register_at_fork(after_in_child=self._begin_anew)

    def note(self, database: str, sql: object, parameters: Any) -> None:
        """Note one run of a statement, and write what was noted if it is time."""
        if not isinstance(sql, str):
            return
        example = _types(parameters)
        with self._lock:
            count, examples = self._runs.get((database, sql), (0, []))
            _add(examples, example)
            self._runs[database, sql] = count + 1, examples
        if time.monotonic() >= self._due:
            self.write()

    def note_parameters(self, database: str, sql: str, rows: Iterable[Any]) -> Iterator[Any]:
        """Yield *rows*, and note the types of each for a statement that :meth:`note` noted."""
        for row in rows:
            with self._lock:
                count, examples = self._runs.get((database, sql), (0, []))
                _add(examples, _types(row))
                self._runs[database, sql] = count, examples
            yield row

    def write(self) -> None:
        """Add what was noted to the file; print a sentence if that fails, since the program must not fail."""
        with self._lock:
            self._due = time.monotonic() + WRITTEN_EVERY_S
            if not self._runs:
                return
            try:
                # It is read first, and read again by the next process.
                output_files.refuse(self._path, beside=())
                with FileLock(f"{self._path}.lock", timeout=_PATIENCE_S):
                    _write(self._path, _merged(_read(self._path), self._runs))
            except (OSError, ValueError, UsageError) as error:
                print(f"migrator: {self._path}: statements were not recorded: {error}", file=sys.stderr)  # noqa: T201 - the program's stderr
                return
            self._runs = {}

    def _begin_anew(self) -> None:
        # After a fork: the parent writes its own runs, and its lock may have been held during the fork.
        self._lock = threading.Lock()
        self._runs = {}
        self._due = 0.0


@functools.cache
def record_of(path: str) -> Record:
    """Return the record of this process in the file *path*."""
    return Record(Path(path))


def factory(asked: Any, path: str, database: str) -> Any:
    """Return a factory like *asked* whose connections record their statements on *database* in the file *path*.

    Connections of a factory that is a function are not recorded.
    """
    is_class = isinstance(asked, type) and issubclass(asked, sqlite3.Connection)
    return _subclass(asked, _Connection, record_of(path), database) if is_class else asked


@functools.cache
def _subclass(asked: type, recording: type, record: Record, database: str) -> type:
    """Return the class *asked* with *recording* below it, so that methods that the program overrides still run."""
    bases = (recording,) if asked in recording.__bases__ else (asked, recording)
    return type(asked.__name__, bases, {"record": record, "recorded_database": database})


class _Cursor(sqlite3.Cursor):
    """A cursor that records its statements."""

    record: Record
    recorded_database: str

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        """Run and record a statement."""
        self.record.note(self.recorded_database, sql, parameters)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        """Run and record a statement for each of *parameters*."""
        self.record.note(self.recorded_database, sql, None)
        return super().executemany(sql, self.record.note_parameters(self.recorded_database, sql, parameters))

    def executescript(self, script: str, /) -> Any:
        """Run and record each statement of a script."""
        for statement in _statements(script):
            self.record.note(self.recorded_database, statement, ())
        return super().executescript(script)


class _Connection(sqlite3.Connection):
    """A connection that records its statements; its shortcuts use its cursors."""

    record: Record
    recorded_database: str

    def cursor(self, factory: Any = sqlite3.Cursor) -> Any:
        """Return a recording cursor of the requested class."""
        if isinstance(factory, type) and issubclass(factory, sqlite3.Cursor):
            factory = _subclass(factory, _Cursor, self.record, self.recorded_database)
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        """Run a statement on a cursor of its own."""
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        """Run a statement for each of many parameters, on a cursor of its own."""
        return self.cursor().executemany(*arguments)

    def executescript(self, *arguments: Any) -> Any:
        """Run a script on a cursor of its own."""
        return self.cursor().executescript(*arguments)


def _types(parameters: Any) -> Any:
    """Return the types of *parameters*; None for none."""
    if isinstance(parameters, Mapping):
        return {str(name): _type(value) for name, value in parameters.items()} or None
    if isinstance(parameters, (list, tuple)):
        return [_type(value) for value in parameters] or None
    return None


def _type(value: object) -> str:
    kind = type(value)
    if (kind, sqlite3.PrepareProtocol) not in sqlite3.adapters:
        for base in kind.__mro__:
            if base in _TYPES:
                return _TYPES[base]
    return f"{kind.__module__}.{kind.__qualname__}"


def _statements(script: str) -> Iterator[str]:
    """Yield each statement of *script*."""
    buffer = ""
    for piece in script.split(";"):
        buffer += piece + ";"
        if sqlite3.complete_statement(buffer):
            if buffer.strip(" \t\r\n;"):
                yield buffer.strip()
            buffer = ""
    if buffer.strip(" \t\r\n;"):
        yield buffer.strip()


def _add(examples: list[Any], example: Any) -> None:
    if example is not None and example not in examples and len(examples) < MOST_EXAMPLES:
        examples.append(example)


def _merged(there: _Runs, new: _Runs) -> _Runs:
    for statement, (count, examples) in new.items():
        if statement not in there and len(there) >= MOST_STATEMENTS:
            continue
        before, kept = there.get(statement, (0, []))
        for example in examples:
            _add(kept, example)
        there[statement] = before + count, kept
    return there


def _read(path: Path) -> _Runs:
    """Return what is recorded in *path*; nothing if it does not exist.

    Raises:
        ValueError: It is no record.
    """
    runs: _Runs = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return runs
    for number, line in enumerate(lines, start=1):
        try:
            noted = json.loads(line)
            runs[noted["database"], noted["sql"]] = noted["count"], noted["parameters"]
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"line {number} is no recorded statement") from error
    return runs


def _write(path: Path, runs: _Runs) -> None:
    lines = (
        json.dumps({"database": database, "sql": sql, "parameters": examples, "count": count})
        for (database, sql), (count, examples) in runs.items()
    )
    output_files.write(path, "".join(f"{line}\n" for line in lines), beside=())
