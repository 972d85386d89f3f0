"""Reads the statements to replay: the workload's, an SQL file, or what ``python -m migrator.compat --record`` wrote."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.errors import UsageError
from migrator.mapping import workload
from migrator.system import user_files
from migrator.system.escaping import escaped

#: A line of an SQL file that names the legacy database of the statements below it.
_DIRECTIVE = re.compile(r"\s*--\s*database:\s*(\S+)\s*$")
#: What can stand before a statement.
_LEADING = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|;)*", re.DOTALL)
#: First words of statements that do nothing by themselves that can be compared.
_CONTROL = {"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE", "VACUUM", "DETACH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of the application.

    Attributes:
        name: How it is shown: the query of the workload, or the file and line.
        database: The legacy database; '' if the file does not name it.
        sql: Its text.
        takes: A SELECT of named parameters from the legacy database, attached under its name; '' without one.
        kinds: For each parameter the kinds of values that were recorded for it, by position or name; None if unknown.
        runs: How often it was recorded, 0 if unknown.
    """

    name: str
    database: str
    sql: str
    takes: str = ""
    kinds: Mapping[str, tuple[str, ...]] | None = None
    runs: int = 0

    @property
    def is_control(self) -> bool:
        """Whether it begins or ends a transaction, or rewrites the file."""
        return first_word(self.sql) in _CONTROL


def first_word(sql: str) -> str:
    """Return the first word of *sql* in capitals."""
    found = re.match(r"\w+", _LEADING.sub("", sql, count=1))
    return found[0].upper() if found else ""


def of_workload() -> tuple[Statement, ...]:
    """Return the legacy statements of the workload."""
    return tuple(
        Statement(
            name=question.name,
            database=question.legacy,
            sql=question.legacy_sql,
            # What is read from the consolidated set too cannot be read from the legacy file alone.
            takes="" if re.search(rf"\b{question.target}\.\w", question.takes) else question.takes,
        )
        for question in workload.questions()
    )


def of_file(path: Path) -> tuple[Statement, ...]:
    """Return the statements of an SQL file or of a record.

    Raises:
        UsageError: It cannot be read, or has no statement.
    """
    text = user_files.text(path)
    found = tuple(_recorded(text, path) if text.lstrip().startswith("{") else _of_sql(text, path.name))
    if not found:
        raise UsageError("has no statement", where=escaped(path), hint="pass an SQL file, or one of --record")
    return found


def _of_sql(text: str, file: str) -> Iterator[Statement]:
    database, buffer, begun = "", "", 0
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if (directive := _DIRECTIVE.match(line)) and not _without_comments(buffer):
            database, buffer = directive[1].removesuffix(".db"), ""
            continue
        # Several statements may stand in one line.
        pieces = re.split("(;)", line)
        for piece in pieces:
            if not _without_comments(buffer) and _without_comments(buffer + piece):
                begun = number
            buffer += piece
            if piece == ";" and sqlite3.complete_statement(buffer):
                if sql := _without_comments(buffer):
                    yield Statement(name=f"{escaped(file)}:{begun}", database=database, sql=sql)
                buffer = ""
    if sql := _without_comments(buffer):
        yield Statement(name=f"{escaped(file)}:{begun}", database=database, sql=sql)


def _without_comments(sql: str) -> str:
    """Return *sql* without what stands before the statement, and without its semicolon; '' if nothing remains."""
    return _LEADING.sub("", sql, count=1).strip().removesuffix(";").rstrip()


def _recorded(text: str, path: Path) -> Iterator[Statement]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield _of_record(json.loads(line), f"{escaped(path.name)}:{number}")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UsageError(
                f"line {number} is not a recorded statement ({error!r})",
                where=escaped(path),
                hint="write it by: python -m migrator.compat --record FILE PROGRAM",
            ) from error


def _of_record(line: Mapping[str, Any], name: str) -> Statement:
    """Return the statement of a line; of its examples, the kinds that each parameter had in any."""
    kinds: dict[str, dict[str, None]] = {}
    for example in line.get("parameters", ()):
        named = example if isinstance(example, dict) else dict(enumerate(example, start=1))
        for parameter, kind in named.items():
            kinds.setdefault(str(parameter), {})[str(kind)] = None
    return Statement(
        name=name,
        database=str(line["database"]).rpartition("/")[2].removesuffix(".db"),
        sql=str(line["sql"]),
        kinds=MappingProxyType({parameter: tuple(seen) for parameter, seen in kinds.items()}),
        runs=int(line.get("count", 0)),
    )
