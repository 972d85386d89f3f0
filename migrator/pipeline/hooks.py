"""Hooks: the owners' programs that run before and after a switch, such as to stop and start their bot.

``before-cutover``, ``after-cutover``, ``before-rollback``, ``after-rollback`` and ``on-failure`` are executables in the
folder that the configuration names; each is optional.  Each gets one JSON object on stdin, and a time limit: a hook that
hangs must not prevent a rollback.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from migrator.config.config_file import HOOK_TIMEOUT_S, Config
from migrator.errors import Refused
from migrator.records.switch import Switched
from migrator.system.escaping import escaped
from migrator.system.serialize import plain
from migrator.system.shell import quoted

#: Hooks whose failure prevents the switch.
BEFORE = ("before-cutover", "before-rollback")
#: The umask of hooks; -1 leaves it as it is.
_GIVEN = {"umask": -1}


def close_to_others() -> None:
    """Let only this user access new files of this process; hooks get the umask from before."""
    _GIVEN["umask"] = os.umask(0o077)


def find(folder: Path | None, name: str) -> Path | None:
    """Return the path of the hook *name* in *folder*, or None.

    Raises:
        Refused: It cannot be run, or another user than its owner may change it.
    """
    if folder is None:
        return None
    if not folder.is_dir():
        raise Refused(
            "is not a folder, and [hooks] folder in the configuration names it",
            where=escaped(folder),
            hint=f"make it, or take the entry out of migrator.toml: mkdir {quoted(folder)}",
        )
    path = folder / name
    if not os.path.lexists(path):
        return None
    if not path.exists():
        raise Refused(
            f"is a link to {escaped(path.readlink())}, which does not exist",
            where=escaped(path),
            hint=f"remove the link: rm {quoted(path)}",
        )
    for checked in (folder, path):
        if _is_open_to_others(checked.stat(), stat.S_IWGRP | stat.S_IWOTH):
            raise Refused("may be changed by other users", where=escaped(checked), hint=_only_ours(checked))
    for part in _on_the_way(path):
        raise Refused(
            f"can be replaced by a user who may change {escaped(part)}",
            where=escaped(path),
            hint="keep hooks in a folder that only this user and root may change, and so each folder above it",
        )
    if not path.is_file() or not os.access(path, os.X_OK):
        raise Refused(
            "is not a program that this user can run",
            where=escaped(path),
            hint=f"make it executable, or remove it: chmod u+x {quoted(path)}",
        )
    return path


def _only_ours(path: Path) -> str:
    """Return the hint with the command after which only this user may change *path*."""
    user = os.geteuid()
    given = "" if path.stat().st_uid in (0, user) else f"chown {user} {quoted(path)} && "
    return f"let only this user change it: {given}chmod go-w {quoted(path)}"


def _is_open_to_others(status: os.stat_result, writers: int) -> bool:
    """Return whether the owner is neither root nor this user, or a mode bit of *writers* is set."""
    return bool(status.st_mode & writers) or status.st_uid not in (0, os.geteuid())


def _on_the_way(path: Path) -> Iterator[Path]:
    """Yield each link and folder on the way to *path*, with links followed too, that another user may change.

    In a folder with the sticky bit, such as /tmp, only the owner of an entry may replace it.
    """
    named = path.absolute()
    writers = stat.S_IWOTH | (stat.S_IWGRP if os.geteuid() == 0 else 0)
    for part in (named, *named.parents):
        if part.is_symlink() and part.lstat().st_uid not in (0, os.geteuid()):
            yield part
    for above in sorted(
        {folder_above for part in named.parents for folder_above in (part.resolve(), *part.resolve().parents)}
    ):
        status = above.stat()
        if not status.st_mode & stat.S_ISVTX and _is_open_to_others(status, writers):
            yield above


def look(folder: Path | None, kind: str) -> None:
    """Check that each existing hook around the switch *kind* can be run: after the switch it is too late to refuse.

    Raises:
        Refused: One cannot.
    """
    for name in (f"before-{kind}", f"after-{kind}", "on-failure"):
        find(folder, name)


def run(folder: Path | None, name: str, payload: Mapping[str, object], timeout_s: float = HOOK_TIMEOUT_S) -> str:
    """Run the hook *name* with *payload* as JSON on its stdin; return a sentence if it failed, else ''.

    One that does not end within *timeout_s* seconds has failed; it and what it started are killed.

    Raises:
        Refused: A hook of ``BEFORE`` failed, so that the switch must not be made.
    """
    try:
        path = find(folder, name)
    except Refused as error:
        if name in BEFORE:
            raise
        return str(error)
    if path is None:
        return ""
    told = json.dumps({"hook": name, **payload}).encode() + b"\n"
    code, sentence = _ended(path, told, timeout_s)
    if code and name in BEFORE:
        raise Refused(sentence, where=escaped(path), hint="nothing was switched; its own output is above")
    return sentence if code else ""


def around(
    switch: Callable[[], Switched], foreseen: Switched, config: Config, data_dir: Path, *, waits: bool = False
) -> Switched:
    """Make a switch between the hooks before and after it, unless there is a reason against it.

    Processes that have a database open are no reason if the hook before the switch may stop them, or the switch *waits*.

    Raises:
        Refused: A hook cannot be run, or the one before the switch failed.
    """
    folder, kind = config.hooks, foreseen.kind
    before = find(folder, f"before-{kind}")
    if foreseen.refusals or (foreseen.holders and before is None and not waits):
        return foreseen
    look(folder, kind)
    payload = {"verb": kind, "run": foreseen.run, "data_dir": str(data_dir)}
    run(folder, f"before-{kind}", payload, config.hooks_timeout_s)
    try:
        done = switch()
    except BaseException as error:
        run(folder, "on-failure", payload | {"error": str(error) or type(error).__name__}, config.hooks_timeout_s)
        raise
    if not done.executed:
        why = "; ".join((*done.refusals, *done.holders))
        run(folder, "on-failure", payload | {"error": why}, config.hooks_timeout_s)
        return done
    failed = run(folder, f"after-{kind}", payload | plain(done), config.hooks_timeout_s)
    return replace(done, findings=(*done.findings, failed)) if failed else done


def _ended(path: Path, told: bytes, timeout_s: float) -> tuple[int, str]:
    """Run the program *path*; return its exit code, and a sentence about it."""
    try:
        # Its output goes to stderr: stdout is for the result alone.
        hook = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=2, start_new_session=True, umask=_GIVEN["umask"])  # noqa: S603 - the owners' own
    except OSError as error:
        return -1, f"the hook {path.name} could not be run ({error.strerror})"
    with hook:
        try:
            hook.communicate(told, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(hook.pid, signal.SIGKILL)
            return -1, f"the hook {path.name} did not end within {timeout_s:g} s and was killed"
        except BaseException:
            os.killpg(hook.pid, signal.SIGKILL)
            raise
    return hook.returncode, f"the hook {path.name} ended with {hook.returncode}"
