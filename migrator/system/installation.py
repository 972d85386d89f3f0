"""Writes the commands that install what is missing: the distribution is on no public index, only in a clone or a wheel."""

from __future__ import annotations

import json
import re
import sys
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from migrator.system.shell import quoted

#: Name of the distribution, under which pip has installed this package.
DISTRIBUTION = "jarvis-consolidation"
_OF_EXTRA = re.compile(r"""(?P<requirement>[^;]+?)\s*;\s*extra\s*==\s*['"](?P<extra>[\w-]+)['"]""")


def extra_command(extra: str) -> str:
    """Return the command that installs what the *extra* requires into this environment: from PyPI, without a clone.

    If the installed version does not have the extra, it is that of the clone or wheel.
    """
    found = (_OF_EXTRA.fullmatch(line) for line in metadata.requires(DISTRIBUTION) or ())
    needed = [match["requirement"] for match in found if match and match["extra"] == extra]
    return _pip(Path(sys.executable), *(needed or [f"{_source()}[{extra}]"]))


def command(python: Path) -> str:
    """Return the command that installs migrator into the environment of *python*, from where it was installed here."""
    return _pip(python, _source())


def _source() -> str:
    """Return the clone, the wheel or the URL from which pip installed this package; its name if that was an index."""
    recorded = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    if recorded is None:
        return DISTRIBUTION
    origin = json.loads(recorded)
    url = str(origin["url"])
    if vcs := origin.get("vcs_info"):
        return f"{vcs['vcs']}+{url}@{vcs['commit_id']}"
    if not url.startswith("file:"):
        return url
    path = unquote(urlsplit(url).path)
    return path if Path(path).exists() else "PATH_OF_THE_CLONE_OR_WHEEL"


def _pip(python: Path, *named: str) -> str:
    return " ".join((quoted(python), "-m pip install", *map(quoted, named)))
