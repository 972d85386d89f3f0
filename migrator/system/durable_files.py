"""Durable steps: names, links and contents that have to survive a power cut.

A file's content is durable after its own fsync, its name after the fsync of its folder; SQLite ignores errors of the
latter, so this module syncs folders itself.  A failed fsync is fatal: the kernel may have dropped the unwritten pages.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

#: The attribute with the access list of a file; the errors that mean that there is none.
_ACL, _NO_ACL = "system.posix_acl_access", {errno.ENODATA, errno.EOPNOTSUPP}


class Access(NamedTuple):
    """Who may use a file.

    Attributes:
        group: Its group.
        mode: Its permissions.
        acl: Its access list (acl(5)) as the system stores it; empty without one.
    """

    group: int
    mode: int
    acl: bytes = b""


def make_private_folder(path: Path) -> None:
    """Make the folder *path* and its parents for their owner alone; it may exist already, but not as a link.

    As root, give it to the owner of the folder around it, so that the application can use it.

    Raises:
        NotADirectoryError: *path* is a link.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700)
            # Regardless of the umask: the application has to get in.
            folder.chmod(0o700)
            give_to_owner_of(folder.parent, folder)
            sync_folder(folder.parent)
    if path.is_symlink():
        raise NotADirectoryError(errno.ENOTDIR, "is a link; expected a folder", str(path))


def sync_file(path: Path) -> None:
    """Make the content of *path* durable."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in *path* durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def replace(source: Path, target: Path) -> None:
    """Rename *source* to *target*, atomically and durably; replaces an existing file."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def draft_of(path: Path) -> Path:
    """Return the path of the draft that is renamed to *path*; an interrupted step may leave it."""
    return path.with_name(f".{path.name}.draft")


def create(path: Path) -> int:
    """Make the new file *path* for its owner alone; return its descriptor, open for writing.

    As root, give it to the owner and the group of the folder.

    Raises:
        FileExistsError: A file or a link exists already.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    # By the descriptor: the owner of the folder may replace the name meanwhile.
    os.fchmod(descriptor, 0o600)  # regardless of the umask
    _give(path.parent.stat(), descriptor)
    return descriptor


def write(path: Path, text: str, access: Access | None = None) -> None:
    """Write *text* to *path*, whole or not at all, for its owner alone or with *access*."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    try:
        with os.fdopen(create(draft), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if access is not None:
                _grant(file.fileno(), access)
            os.fsync(file.fileno())
        replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def rewrite(path: Path, content: bytes) -> None:
    """Replace the content of the file *path* by *content*, whole or not at all; its mode and owner stay."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    status = path.stat()
    descriptor = create(draft)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        _set_acl(descriptor, access_of(path).acl)
        os.fchmod(descriptor, status.st_mode & 0o7777)
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fsync(descriptor)
    replace(draft, path)


def link(source: Path, target: Path) -> None:
    """Give the file *source* the second name *target*, durably; *target* may be that already.

    Raises:
        OSError: *target* is another file, or the file system knows no hard links.
    """
    if not (target.exists() and target.samefile(source)):
        target.hardlink_to(source)
    sync_folder(target.parent)


def try_link(source: Path, target: Path) -> None:
    """Give the file *source* the free name *target*, and remove that name again.

    Raises:
        OSError: The file system does not allow it, or makes a copy.
    """
    target.unlink(missing_ok=True)
    target.hardlink_to(source)
    same = target.samefile(source)
    target.unlink()
    if not same:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(target))


def point(name: Path, to: str) -> None:
    """Make *name* a symbolic link to *to*, atomically and durably; replaces an existing file."""
    draft = draft_of(name)
    draft.unlink(missing_ok=True)
    draft.symlink_to(to)
    give_to_owner_of(name.parent, draft)
    replace(draft, name)


def remove(path: Path) -> None:
    """Remove the file or link *path*, durably; it need not exist."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_if_there(path: Path) -> None:
    """Remove the file *path*, durably; if it does not exist, do not wait for the disk."""
    if os.path.lexists(path):
        remove(path)


def remove_drafts(paths: Iterable[Path]) -> None:
    """Remove the drafts of interrupted steps for *paths*, durably."""
    for path in paths:
        remove_if_there(draft_of(path))


def give_to_owner_of(original: Path, *paths: Path) -> None:
    """As root, copy owner and group from *original*; otherwise only the group.  Does not follow links."""
    status = original.stat()
    for path in paths:
        _give(status, path, follow_symlinks=False)


def access_of(path: Path) -> Access:
    """Return who may use the file or folder *path*."""
    status = path.stat()
    try:
        acl = os.getxattr(path, _ACL)
    except OSError as error:
        if error.errno not in _NO_ACL:
            raise
        acl = b""
    return Access(status.st_gid, stat.S_IMODE(status.st_mode), acl)


def may_give(group: int) -> bool:
    """Tell whether this process may give a file of its own to *group*."""
    return os.geteuid() == 0 or group in {os.getegid(), *os.getgroups()}


def take_after(original: Path, path: Path) -> None:
    """Give the file *path* of ours owner, group, permissions and access list of *original*, as far as this user may."""
    give_to_owner_of(original, path)
    grant(path, access_of(original))


def grant(path: Path, access: Access) -> None:
    """Give the file or folder *path* of ours *access*, as far as this user may; no link is followed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _grant(descriptor, access)
    finally:
        os.close(descriptor)


def _grant(descriptor: int, access: Access) -> None:
    group, mode, acl = access
    if may_give(group):
        os.fchown(descriptor, -1, group)
    elif os.fstat(descriptor).st_gid != group:
        # If it cannot be given to the group, its members get no more than all others.
        mode, acl = mode & (mode << 3 | 0o7707), b""
    _set_acl(descriptor, acl)
    os.fchmod(descriptor, mode)


def let_pass(folder: Path, like: Path) -> None:
    """Let users enter our folder *folder* who may enter *like*, durably; they may not list or change it."""
    now, theirs = access_of(folder), access_of(like)
    wanted = Access(theirs.group, now.mode & 0o7700 | theirs.mode & 0o011, theirs.acl)
    if now[:2] != wanted[:2]:
        grant(folder, wanted)
        sync_folder(folder)


def _set_acl(descriptor: int, acl: bytes) -> None:
    """Set the access list of a file, which may have inherited another from its folder."""
    try:
        if acl:
            os.setxattr(descriptor, _ACL, acl)
        else:
            os.removexattr(descriptor, _ACL)
    except OSError as error:
        if acl or error.errno not in _NO_ACL:
            raise


def remove_folder(path: Path) -> None:
    """Remove *path* and everything below it, durably; it need not exist."""
    if path.exists():
        shutil.rmtree(path)
        sync_folder(path.parent)


def _give(status: os.stat_result, file: Path | int, *, follow_symlinks: bool = True) -> None:
    """As root, give *file* the owner and the group of *status*; as another user only the group, as far as allowed."""
    if os.geteuid() == 0:
        os.chown(file, status.st_uid, status.st_gid, follow_symlinks=follow_symlinks)
    elif may_give(status.st_gid):
        os.chown(file, -1, status.st_gid, follow_symlinks=follow_symlinks)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
