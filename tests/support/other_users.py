"""Deeds of other users, done in a child that becomes one after everything is imported: they need no account, nor our packages."""

import codecs
import contextlib
import graphlib  # noqa: F401 - the standard library may be out of another user's reach, too
import importlib
import importlib.readers
import os
import pickle
import pkgutil
import traceback
from unittest import mock

import pytest

import migrator
from migrator.application.compat import stored
from migrator.mapping import lookups
from migrator.mapping import reader as mapping_reader
from migrator.schema import catalogue
from migrator.schema import reader as schema_reader
from migrator.stages.inventory import inspect_pool, inspect_worker
from migrator.system.temporary_folders import private_folder

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
#: Users and the group that two or all of them share; none needs an account.
DEPLOY, BOT, THIRD, READER = 71001, 71002, 71003, 71004
SHARED = 71100


def become(user, group=None, groups=()):
    """Make this process one of *user*, for good."""
    os.setgroups(groups)
    os.setresgid(*[user if group is None else group] * 3)
    os.setresuid(*[user] * 3)


def as_user(user, deed, *arguments, group=None, groups=()):
    """Return what *deed* returns when *user* does it, or raise what it raises there."""
    _read_our_files()
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        try:
            become(user, group, groups)
            os.umask(0o022)
            answer = pickle.dumps((True, deed(*arguments)))
        except BaseException as error:  # noqa: BLE001 - it is raised again by the parent
            traceback.print_exc()
            answer = pickle.dumps((False, error))
        with os.fdopen(sending, "wb") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving, "rb") as pipe:
        came = pipe.read()
    os.waitpid(child, 0)
    done, said = pickle.loads(came)  # noqa: S301 - our own child wrote it
    if done:
        return said
    raise said


def _read_our_files():
    """Import the package whole and read what it keeps in files, which it remembers: they may lie out of another user's reach."""
    for module in pkgutil.walk_packages(migrator.__path__, "migrator."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for encoding in ("ascii", "latin-1", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        codecs.lookup(encoding)
    for target in catalogue.TARGETS:
        schema_reader.target(target)
    catalogue.our_ddl()
    mapping_reader.mappings()
    lookups.lookups()
    stored.package_digest()
    for known in catalogue.legacy_databases():
        catalogue.shapes_of(known.name)


@contextlib.contextmanager
def in_this_process():
    """Have inventory examine private copies in this process: a child of another user might not reach our packages."""

    def examined(paths, **_):
        with private_folder() as folder:
            return {
                path: inspect_worker.examine(path, copy=folder / f"{number}.db", seconds=60.0)
                for number, path in enumerate(paths)
            }

    with mock.patch.object(inspect_pool, "examine", examined):
        yield


def given(folder, user, group, *, folder_mode=0o755, file_mode=0o644):
    """Give *folder* and all below it to *user* and *group*, in these modes."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user, group, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(folder_mode if path.is_dir() else file_mode)
    return folder


def owners(folder):
    """Return user and group of every entry below *folder*, by its place."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_uid, path.lstat().st_gid) for path in sorted(folder.rglob("*"))
    }
