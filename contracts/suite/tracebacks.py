"""Turns errors of unreadable sets into messages without a traceback, and prints lost rows first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from sqlglot.errors import SqlglotError

from contracts.judgement import fail, plain
from migrator.errors import MigratorError

#: Beginning of the message of a contract that could not read a judged file.
CANNOT = "cannot be judged: "
#: The contract whose message counts the lost rows of the whole pair.
_LOSSES = "test_no_legacy_row_is_lost"
#: Errors that another tool's database may raise: a damaged page, an unreadable statement, a name of odd bytes.
_UNREADABLE = (sqlite3.Error, MigratorError, SqlglotError, UnicodeError, RecursionError)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Fail the contract with a message if its setup cannot read a set."""
    yield from _without_traceback(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail the contract with a message if it cannot read a set."""
    yield from _without_traceback(item)


def _without_traceback(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        if item.get_closest_marker("clause") is None:
            raise
        fail(f"{CANNOT}{plain(str(error))}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Print how many rows were lost, before pytest's own summary."""
    for report in terminalreporter.stats.get("failed", []):
        if _LOSSES in report.nodeid:
            terminalreporter.write_line(f"NO-GO: {report.longreprtext.partition(chr(10))[0]}", red=True, bold=True)
    yield
