"""Every durable step is made here: a name, a link or a content that has to survive a power cut.

A file's content is durable after its own fsync, its name after the fsync of its folder; SQLite ignores errors of the
latter, so we ask ourselves.  A failed fsync is fatal: the kernel may have dropped the pages it could not write.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path


def make_private_folder(path: Path) -> None:
    """Make the folder *path* for its owner alone, parents too; it may be there already, and may not be a link.

    What root makes belongs to whom the folder around it belongs to: the application has to get in.

    Raises:
        NotADirectoryError: *path* is a link.
    """
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700)
            # Whatever the umask takes away: the application has to get in.
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


def write(path: Path, text: str) -> None:
    """Write *text* to *path* so that it is there whole or not at all, for its owner alone."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.write(text)
        file.flush()
        give_to_owner_of(path.parent, draft)
        os.fsync(file.fileno())
    replace(draft, path)


def rewrite(path: Path, content: bytes) -> None:
    """Replace the content of the file *path* by *content*, whole or not at all; its mode and owner stay."""
    draft = draft_of(path)
    draft.unlink(missing_ok=True)
    status = path.stat()
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(descriptor, status.st_mode & 0o7777)
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fsync(descriptor)
    replace(draft, path)


def append(path: Path, line: str) -> None:
    """Append *line* to *path*, for its owner alone, durably; no link is followed."""
    there = path.exists()
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if not there:
            os.fchmod(descriptor, 0o600)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    if not there:
        sync_folder(path.parent)


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
    """Give what root wrote, links not followed, to whom *original* belongs to; anybody else gives it to its group."""
    status = original.stat()
    for path in paths:
        if os.geteuid() == 0:
            os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
        elif status.st_gid in os.getgroups():
            os.chown(path, -1, status.st_gid, follow_symlinks=False)


def remove_folder(path: Path) -> None:
    """Remove *path* and all below it, durably; it need not be there."""
    if path.exists():
        shutil.rmtree(path)
        sync_folder(path.parent)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
