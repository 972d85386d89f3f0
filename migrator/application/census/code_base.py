"""Takes the census of a code base: each file that names a legacy database, table or column, and what becomes of the place."""

from __future__ import annotations

import ast
import gc
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from migrator.application.census import code_files, text_reader
from migrator.application.census.code_files import CodeFile
from migrator.application.census.findings import Census, Finding, Unread, counted
from migrator.application.census.python_code import Module
from migrator.application.census.python_reader import PythonReader

#: What a Python file that opens a database, or holds SQL, has in it.
_SIGNS = re.compile(
    rb"sqlite|\.db\b|execute|create_engine|migrator|__tablename__|table_name"
    rb"|\b(?:select|insert|update|delete|replace|create|alter|drop)\b[^;]{0,400}?\b(?:from|into|set|table)\b",
    re.IGNORECASE,
)


def take(paths: Iterable[Path]) -> Census:
    """Return the census of the files and folders *paths*; nothing of them is run or changed.

    Raises:
        UsageError: A path does not exist.
    """
    collects = gc.isenabled()
    # Syntax trees hold no cycles, and the collector would walk their millions of nodes again and again.
    gc.disable()
    try:
        return _taken(paths)
    finally:
        if collects:
            gc.enable()


def _taken(paths: Iterable[Path]) -> Census:
    files = 0
    modules: list[Module] = []
    findings: list[Finding] = []
    unread: list[Unread] = []
    for found in code_files.walk(paths):
        if isinstance(found, Unread):
            unread.append(found)
            continue
        files += 1
        if found.language != "python":
            findings += text_reader.findings(found.shown, _decoded(found.content), found.language)
            continue
        if _SIGNS.search(found.content) is None:
            continue
        module = _parsed(found)
        if isinstance(module, Unread):
            unread.append(module)
            findings += text_reader.findings(found.shown, _decoded(found.content), text_reader.BROKEN)
        else:
            modules.append(module)
    findings += PythonReader(modules).findings()
    return counted(files, findings, unread)


def _parsed(found: CodeFile) -> Module | Unread:
    """Return the module in a file; if it is no valid Python, the reason."""
    failed: Exception
    with warnings.catch_warnings():
        # An invalid escape in a string is a warning about the owners' code.
        warnings.simplefilter("ignore")
        for source in _sources(found.content):
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                failed = error
                continue
            text = source if isinstance(source, str) else _decoded(source)
            return Module(_dotted(found.shown), found.shown, tree, _lines(text))
    line = getattr(failed, "lineno", None)
    what = getattr(failed, "msg", None) or str(failed)
    return Unread(file=found.shown, why=f"is no Python that can be parsed: {what}{f' (line {line})' if line else ''}")


def _sources(content: bytes) -> Iterator[bytes | str]:
    """Yield the content as Python reads it, then as Latin-1, which old code is written in without saying so."""
    yield content
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        yield content.decode("latin-1")


def _lines(text: str) -> list[str]:
    """Return the lines as Python counts them."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _dotted(shown: str) -> str:
    parts = PurePosixPath(shown).with_suffix("").parts
    return ".".join(part for part in parts if part not in {"/", "__init__"})
