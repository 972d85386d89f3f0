"""Hooks: programs of the owners' own that are run around a switch, such as those that stop and start their bot.

``before-cutover``, ``after-cutover``, ``before-rollback``, ``after-rollback`` and ``on-failure`` are executables in the
folder that the configuration names; one that is not there is not missed.  Each gets one JSON object on stdin.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path

from migrator.errors import Refused
from migrator.plain import escaped

#: Those that may stop what they stand before.
BEFORE = ("before-cutover", "before-rollback")
NAMES = (*BEFORE, "after-cutover", "after-rollback", "on-failure")


def find(folder: Path | None, name: str) -> Path | None:
    """Return the hook *name* in *folder*, None where there is none.

    Raises:
        Refused: It cannot be run, or others than its owner may change it.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise Refused("is no folder of hooks", where=escaped(folder), hint="mend [hooks] folder in the configuration")
    path = folder / name
    if not os.path.lexists(path):
        return None
    for checked in (folder, path):
        status = checked.stat()
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or status.st_uid not in (0, os.geteuid()):
            raise Refused(
                "may be changed by others", where=escaped(checked), hint="take their permission to write away"
            )
    if not path.is_file() or not os.access(path, os.X_OK):
        raise Refused("is no program that can be run", where=escaped(path), hint="chmod +x, or take it away")
    return path


def run(folder: Path | None, name: str, said: Mapping[str, object]) -> str:
    """Run the hook *name* with *said* as JSON on its stdin; return a sentence if it failed, else ''.

    Raises:
        Refused: A hook that stands before something failed: what it stands before must not happen.
    """
    path = find(folder, name)
    if path is None:
        return ""
    told = json.dumps({"hook": name, **said}).encode() + b"\n"
    try:
        # Its output belongs to the operator: it goes where ours goes, but stdout is for our result alone.
        code = subprocess.run([path], input=told, stdout=2, check=False).returncode  # noqa: S603 - the owners' own
    except OSError as error:
        code = -1
        sentence = f"the hook {name} could not be run ({error.strerror})"
    else:
        sentence = f"the hook {name} ended with {code}"
    if code and name in BEFORE:
        raise Refused(sentence, where=escaped(path), hint="nothing was switched; see to it, then run this again")
    return sentence if code else ""
