"""Reports in sentences: what was lost comes first, and what cannot be read is said, never a traceback."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlglot.errors import SqlglotError

from contracts.judgement import fail, plain
from migrator.errors import MigratorError

#: How the message of a contract begins that met something it cannot read.
CANNOT = "cannot be judged: "
#: The contract whose message is one sentence on the whole pair.
_LOSSES = "test_no_legacy_row_is_lost"
#: What a database of somebody else's may lead to: a page or a statement that nobody can read, a name of odd bytes.
_UNREADABLE = (sqlite3.Error, MigratorError, SqlglotError, UnicodeError, RecursionError)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Say what cannot be read."""
    yield from _said(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Say what cannot be read."""
    yield from _said(item)


def _said(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        if item.get_closest_marker("clause") is None:
            raise
        fail(f"{CANNOT}{plain(str(error))}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Begin with what was lost, in rows."""
    for report in terminalreporter.stats.get("failed", []):
        if _LOSSES in report.nodeid:
            terminalreporter.write_line(f"NO-GO: {report.longreprtext.partition(chr(10))[0]}", red=True, bold=True)
    yield
