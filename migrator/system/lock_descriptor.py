"""A file descriptor that holds SQLite's locks on a database, and a lease by which the kernel reports a later open.

SQLite in every journal mode takes the same byte locks before it writes to a database file.  Here they belong to an open
file description: unlike those of a connection they stay when this process closes another descriptor of the file.  A lease
is the kernel's word that no other descriptor of the file is open, whichever user or PID namespace its process is of; from
then on the kernel makes an open wait until the lease is given up, and reports it.  A network or FUSE file system
has no leases, and the kernel gives one only to the owner of the file or with CAP_LEASE.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import struct
import time
from enum import Enum
from pathlib import Path

from migrator.errors import Refused
from migrator.system import connections
from migrator.system.escaping import escaped
from migrator.system.shell import quoted

#: SQLite's lock bytes: pending, reserved, then the range that readers share (sqlite.org/lockingv3.html).
_PENDING, _RESERVED, _SHARED, _SHARED_BYTES = 0x40000000, 0x40000001, 0x40000002, 510
#: Errors of fcntl without leases: the file system has none, or this user may not take one.
_NO_LEASES = {errno.EINVAL, errno.EACCES, errno.EPERM, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
#: Errors of fcntl without locks of an open file description, in the file system or the kernel.
_NO_LOCKS = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
#: Before Linux 5.3 a second name of the file counted as an open of it (commit 387e3746d01c, "eliminate false positive
#: conflicts for write lease").
_COUNTS_NAMES = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (5, 3)
#: Time for which a lease is tried, and the wait between attempts [s]: a backup that reads the file soon closes it.
_LEASE_PATIENCE_S, _POLL_S = 1.0, 0.02


class Opened(Enum):
    """Whether a file is open in another process, or elsewhere in this one."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


def opened_elsewhere(path: Path, patience_s: float = _LEASE_PATIENCE_S) -> Opened:
    """Return whether the file *path* is open elsewhere, by trying to take a lease; writes nothing.

    A process that holds a connection to *path* must not call this: closing any descriptor drops the connection's locks.
    """
    with connections.open_source(path) as file:
        opened = _lease(file.fileno(), patience_s)
        if opened is Opened.NO:
            fcntl.fcntl(file.fileno(), fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return opened


class Grip:
    """Locks on one database that keep others from writing, then from reading too.

    Attributes:
        inode: Device and inode, which stay when the file is moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        status = os.fstat(self._descriptor)
        self.inode = (status.st_dev, status.st_ino)
        self._leased = False

    def take(self) -> bool:
        """Keep others from writing; return False where another process is about to write."""
        return self._lock(fcntl.F_RDLCK, _SHARED, _SHARED_BYTES) and self._lock(fcntl.F_WRLCK, _RESERVED, 1)

    def seal(self) -> Opened:
        """Lock out readers too, and return whether the file is open elsewhere; later opens wait until :meth:`close`."""
        if not self._lock(fcntl.F_WRLCK, _PENDING, _SHARED + _SHARED_BYTES - _PENDING):
            return Opened.YES
        opened = _lease(self._descriptor)
        self._leased = opened is Opened.NO
        return opened

    def close(self) -> bool:
        """Give up the locks and the lease; return whether a process has asked to open the file since it was sealed."""
        asked = self._leased and fcntl.fcntl(self._descriptor, fcntl.F_GETLEASE) != fcntl.F_WRLCK
        os.close(self._descriptor)
        return asked

    def _lock(self, kind: int, first: int, length: int) -> bool:
        """Take a lock of *kind* on *length* bytes from *first*; return False where another process has one.

        Raises:
            Refused: The file system has no such locks.  POSIX locks cannot replace them: any close would drop them.
        """
        try:
            # struct flock: type, whence, start, length, pid (always 0 here).
            wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, first, length, 0)
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, wanted)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EAGAIN}:
                return False
            if error.errno in _NO_LOCKS:
                raise Refused(
                    f"its file system has no locks that keep other processes out during a switch ({error.strerror})",
                    where=escaped(self._path),
                    hint="move the data directory to a local file system such as ext4; "
                    f"to see this one run: findmnt -T {quoted(self._path)}",
                ) from error
            raise
        return True


def _lease(descriptor: int, patience_s: float = _LEASE_PATIENCE_S) -> Opened:
    """Take a write lease on *descriptor*; the kernel gives it only while nothing else has the file open."""
    give_up = time.monotonic() + patience_s
    # SIGURG is ignored unless it is caught; the default signal for an open would end the process.
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
    while True:
        try:
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError as error:
            if error.errno in _NO_LEASES:
                return Opened.UNKNOWN
            if error.errno != errno.EAGAIN:
                raise
            if time.monotonic() > give_up:
                return Opened.UNKNOWN if _COUNTS_NAMES else Opened.YES
            time.sleep(_POLL_S)
        else:
            return Opened.NO
