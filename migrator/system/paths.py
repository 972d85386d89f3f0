"""Resolves paths: each path that a user names, and TMPDIR, passes through here once.

After that no path has a link or ``..`` in it, so that two names of one file are equal, and one path is below another
exactly where its folder does.
"""

from __future__ import annotations

import os
from pathlib import Path

from migrator.errors import UsageError


def resolved(path: Path) -> Path:
    """Return *path* absolute, with ``~`` expanded and every link followed; it need not exist.

    Raises:
        UsageError: ``~`` names a user without a home.
    """
    return Path(os.path.realpath(_at_home(path)))


def beside_itself(path: Path) -> Path:
    """Return *path* absolute, with every link in its folder followed; a link as its last part stays.

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
