"""The one place that resolves paths: every path that a user names, or TMPDIR leads to, passes through here once.

Behind it no path has a link or ``..`` in it, so that two names of one file are equal and one path lies below another
exactly where its folder does.
"""

from __future__ import annotations

import os
from pathlib import Path

from migrator.errors import UsageError


def resolved(path: Path) -> Path:
    """Return *path* absolute, with ``~`` spelt out and every link in it followed; it need not be there.

    Raises:
        UsageError: ``~`` names a user without a home.
    """
    return Path(os.path.realpath(_at_home(path)))


def beside_itself(path: Path) -> Path:
    """Return *path* absolute with its folder resolved; if it is a link itself, it stays one.

    Raises:
        UsageError: ``~`` names a user without a home.
    """
    # Not abspath: ``link/..`` is the parent of the folder that the link leads to.
    path = _at_home(path)
    return resolved(path) if path.name in ("", "..") else resolved(path.parent) / path.name


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise UsageError("this host has no user of that name", where=path) from error
