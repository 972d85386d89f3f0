"""Runs pytest in this process, without the caller's environment for pytest, and prints nothing."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Sequence

import pytest

from migrator.stages.verify.stage import KEPT_OUT, KEPT_OUT_BEGIN


def run(arguments: Sequence[str], plugin: object) -> tuple[int, str]:
    """Run pytest with the contracts, these *arguments* and a *plugin*; return its exit code and its output."""
    printed = io.StringIO()
    with _environment(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = pytest.main(["-p", "contracts.plugin", *arguments], plugins=[plugin])
    return int(code), printed.getvalue()


@contextlib.contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in before:
        if name in KEPT_OUT or name.startswith(KEPT_OUT_BEGIN):
            del os.environ[name]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
