"""Every durable step is made here: a name, a link or a content that has to survive a power cut.

A file's content is durable after its own fsync, its name after the fsync of its folder; SQLite ignores errors of the
latter, so we ask ourselves.  A failed fsync is fatal: the kernel may have dropped the pages it could not write.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

#: Where Linux keeps the access list of a file; an error that means there is none, or none can be.
_ACL, _NO_ACL = "system.posix_acl_access", {errno.ENODATA, errno.EOPNOTSUPP}


class Access(NamedTuple):
    """Who may use a file.

    Attributes:
        group: Its group.
        mode: Its permissions.
        acl: Its access list (acl(5)) as the system keeps it; empty without one.
    """

    group: int
    mode: int
    acl: bytes = b""


def make_private_folder(path: Path) -> None:
    """Make the folder *path* for its owner alone, parents too; it may be there already, and may not be a link.

    What root makes belongs to whom the folder around it belongs to: the application has to get in.

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
        raise NotADirectoryError(errno.ENOTDIR, "is a link, and a folder of ours is none", str(path))


def sync_file(path: Path) -> None:
    """Make the content of *path* durable."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Make the names in *path* durable."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def replace(source: Path, target: Path) -> None:
    """Give *source* the name *target*, in one instant, durably; what had that name is gone."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def draft_of(path: Path) -> Path:
    """Return where what will have the name *path* is made; a step that was cut short may leave it there."""
    return path.with_name(f".{path.name}.draft")


def create(path: Path) -> int:
    """Make the new file *path* for its owner alone; return its descriptor, open for writing.

    What root makes belongs to the owner and the group of the folder.

    Raises:
        FileExistsError: There is a file or a link already.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    # By the descriptor: the owner of the folder may put something else under the name meanwhile.
    os.fchmod(descriptor, 0o600)  # regardless of the umask
    _give(path.parent.stat(), descriptor)
    return descriptor


def write(path: Path, text: str, access: Access | None = None) -> None:
    """Write *text* to *path* so that it is there whole or not at all, for its owner alone or with *access*."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    with os.fdopen(create(draft), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if access is not None:
            _grant(file.fileno(), access)
        os.fsync(file.fileno())
    replace(draft, path)


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
    """Give the file *source* the second name *target*, which nothing has, and take it away again.

    Raises:
        OSError: The file system does not let us, or makes a copy of it.
    """
    target.unlink(missing_ok=True)
    target.hardlink_to(source)
    same = target.samefile(source)
    target.unlink()
    if not same:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(target))


def point(name: Path, to: str) -> None:
    """Make *name* a symbolic link to *to*, in one instant, durably; what had that name is gone."""
    draft = draft_of(name)
    draft.unlink(missing_ok=True)
    draft.symlink_to(to)
    give_to_owner_of(name.parent, draft)
    replace(draft, name)


def remove(path: Path) -> None:
    """Remove the file or link *path*, durably; it need not be there."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_if_there(path: Path) -> None:
    """Remove the file *path*, durably; where there is none, do not wait for the disk."""
    if os.path.lexists(path):
        remove(path)


def remove_drafts(paths: Iterable[Path]) -> None:
    """Remove what steps that were cut short have left beside *paths*, durably; nothing of it counts."""
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
        # Members of a group that it cannot be given to get no more than all others do.
        mode, acl = mode & (mode << 3 | 0o7707), b""
    _set_acl(descriptor, acl)
    os.fchmod(descriptor, mode)


def let_pass(folder: Path, like: Path) -> None:
    """Let those pass the folder *folder* of ours who may pass the folder *like*, durably; they may not list or change it."""
    now, theirs = access_of(folder), access_of(like)
    wanted = Access(theirs.group, now.mode & 0o7700 | theirs.mode & 0o011, theirs.acl)
    if now[:2] != wanted[:2]:
        grant(folder, wanted)
        sync_folder(folder)


def _set_acl(descriptor: int, acl: bytes) -> None:
    """Set the access list of a file, which may have got another one from its folder."""
    try:
        if acl:
            os.setxattr(descriptor, _ACL, acl)
        else:
            os.removexattr(descriptor, _ACL)
    except OSError as error:
        if acl or error.errno not in _NO_ACL:
            raise


def remove_folder(path: Path) -> None:
    """Remove *path* and all below it, durably; it need not be there."""
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
