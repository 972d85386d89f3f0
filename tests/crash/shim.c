/* Records what a process does to the files below one folder, and makes one such operation fail or be its last.

   Preloaded (LD_PRELOAD), it stands between the process and the C library.  It is idle until lab_begin() is called, which
   a forked worker does from Python; every operation below the folder then gets a number, and goes into a log with the
   data written.  The log names folders and files by inode, so that a second name of a file is seen as one.

   Each function of the C library comes under the names that CPython and libsqlite3 import (open64, pwrite64, ...).  The
   kernel is asked directly: nothing of the library is called twice.  sendfile and copy_file_range are made of read and
   write, so that the data is seen; splice and allocation below the folder end the process: the lab would be blind to them.

   One log record: the struct below, then two names and the data, without separators (see record.py). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
    uint8_t what;        /* one letter, see below */
    uint8_t failed;      /* the operation changed nothing */
    uint16_t one, other; /* bytes of the first and second name */
    uint64_t inode, into, from, at, size;
} __attribute__((packed));

/* What a fault does. */
enum { NONE, KILL, ONCE, FOREVER, SHORT };

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int logfile = -1, kind = NONE, error = 0, met = 0;
static char root[PATH_MAX], prey[64];
static size_t root_length;
static long number, at = -1;

/* ---- the log ---- */

static void append(const void *bytes, size_t size) {
    while (size) {
        ssize_t done = syscall(SYS_write, logfile, bytes, size);
        if (done <= 0) abort();
        bytes = (const char *)bytes + done;
        size -= done;
    }
}

static void note(char what, int failed, uint64_t inode, uint64_t into, const char *one, uint64_t from, const char *other,
                 uint64_t where, const void *data, size_t size) {
    struct record made = {what, failed, one ? strlen(one) : 0, other ? strlen(other) : 0, inode, into, from, where, size};
    int kept = errno;
    append(&made, sizeof made);
    append(one, made.one);
    append(other, made.other);
    append(data, size);
    errno = kept;
}

/* Begin to number and log what happens below FOLDER; from number WHEN on the first operation that is one of the letters WHICH
   meets a fault: threads may have made another one the WHEN-th. */
void lab_begin(const char *folder, const char *log, int fault, int number_of_error, long when, const char *which) {
    logfile = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (logfile < 0) abort();
    snprintf(root, sizeof root, "%s/", folder);
    root_length = strlen(root);
    snprintf(prey, sizeof prey, "%s", which);
    kind = fault, error = number_of_error, at = when, number = 0, met = 0;
}

/* Log that the process told somebody TEXT. */
void lab_mark(const char *text) {
    if (logfile >= 0) note('!', 0, 0, 0, text, 0, 0, 0, 0, 0);
}

/* Give the operation WHAT its number; return 1 if it has to fail, errno being set. */
static int faulty(char what) {
    long mine = number++;
    if (kind == NONE || mine < at || !strchr(prey, what) || (kind != FOREVER && met)) return 0;
    if (kind == SHORT) return 0;
    met = 1;
    note('X', 0, 0, 0, 0, 0, 0, mine, 0, 0);
    if (kind == KILL) {
        syscall(SYS_kill, getpid(), SIGKILL);
        for (;;) pause();
    }
    errno = error;
    return 1;
}

/* ---- where an operation happens ---- */

struct place {
    int below;           /* below the folder */
    uint64_t folder;     /* inode of the folder it lies in */
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
};

static int of_descriptor(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return 1;
}

static struct place find(int folder, const char *path) {
    struct place found = {0};
    struct stat status;
    int kept = errno;
    if (logfile < 0 || !path || !*path) return found;
    if (path[0] == '/') {
        snprintf(found.path, sizeof found.path, "%s", path);
    } else {
        char base[PATH_MAX];
        if (folder == AT_FDCWD ? !getcwd(base, sizeof base) : !of_descriptor(folder, base)) goto end;
        if (snprintf(found.path, sizeof found.path, "%s/%s", base, path) >= PATH_MAX) abort();
    }
    if (strncmp(found.path, root, root_length)) goto end;
    char parent[PATH_MAX];
    strcpy(parent, found.path);
    for (char *end = parent + strlen(parent) - 1; *end == '/'; end--) *end = 0;
    char *slash = strrchr(parent, '/');
    snprintf(found.name, sizeof found.name, "%s", slash + 1);
    *slash = 0;
    found.below = 1;
    if (stat(parent, &status) == 0) found.folder = status.st_ino;
end:
    errno = kept;
    return found;
}

static int below(int fd) {
    char path[PATH_MAX];
    int kept = errno, is = 0;
    /* The folder itself is synced too. */
    if (logfile >= 0 && of_descriptor(fd, path))
        is = !strncmp(path, root, root_length - 1) && (path[root_length - 1] == '/' || !path[root_length - 1]);
    errno = kept;
    return is;
}

static uint64_t inode(const char *path) {
    struct stat status;
    int kept = errno;
    uint64_t found = lstat(path, &status) ? 0 : status.st_ino;
    errno = kept;
    return found;
}

static uint64_t inode_of(int fd, struct stat *status) {
    int kept = errno;
    if (fstat(fd, status)) status->st_ino = 0;
    errno = kept;
    return status->st_ino;
}

#define TURN pthread_mutex_lock(&turn)
#define OVER(value) do { int kept_ = errno; pthread_mutex_unlock(&turn); errno = kept_; return value; } while (0)

/* ---- open: o it is there, c it is made, t it is emptied ---- */

static int opened(int folder, const char *path, int flags, mode_t mode) {
    struct place place = find(folder, path);
    struct stat status;
    if (!place.below) return syscall(SYS_openat, folder, path, flags, mode);
    TURN;
    int made = (flags & O_CREAT) && !inode(place.path);
    int emptied = !made && (flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY;
    char what = made ? 'c' : emptied ? 't' : (flags & O_ACCMODE) != O_RDONLY ? 'O' : 'o';
    if (faulty(what)) {
        note(what, 1, 0, place.folder, place.name, 0, 0, 0, 0, 0);
        OVER(-1);
    }
    int fd = syscall(SYS_openat, folder, path, flags, mode);
    uint64_t there = fd < 0 ? 0 : inode_of(fd, &status);
    note(what, fd < 0, there, place.folder, place.name, 0, 0, made && fd >= 0 ? status.st_mode & 07777 : 0, 0, 0);
    OVER(fd);
}

#define MODE(flags) mode_t mode = 0; if ((flags) & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE(flags); return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags); return opened(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags); return opened(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags); return opened(folder, path, flags, mode); }
int creat(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return opened(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* ---- w: data ---- */

static ssize_t written(int fd, const void *data, size_t size, off_t where) {
    struct stat status;
    if (!below(fd)) return where < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, where);
    TURN;
    int shorter = kind == SHORT && number >= at && !met && size > 1;
    if (shorter) met = 1, note('X', 0, 0, 0, 0, 0, 0, number, 0, 0), size /= 2;
    uint64_t there = inode_of(fd, &status);
    if (faulty('w')) {
        note('w', 1, there, 0, 0, 0, 0, 0, 0, 0);
        OVER(-1);
    }
    off_t begin = where;
    if (where < 0) begin = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? status.st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t done = where < 0 ? syscall(SYS_write, fd, data, size) : syscall(SYS_pwrite64, fd, data, size, where);
    note('w', done < 0, there, 0, 0, 0, 0, begin, data, done < 0 ? 0 : done);
    OVER(done);
}

ssize_t write(int fd, const void *data, size_t size) { return written(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t where) { return written(fd, data, size, where); }
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t where) { return written(fd, data, size, where); }

static ssize_t scattered(int fd, const struct iovec *parts, int count, off_t where) {
    ssize_t whole = 0;
    for (int part = 0; part < count; part++) {
        ssize_t done = written(fd, parts[part].iov_base, parts[part].iov_len, where < 0 ? where : where + whole);
        if (done < 0) return whole ? whole : done;
        whole += done;
        if ((size_t)done < parts[part].iov_len) break;
    }
    return whole;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    return below(fd) ? scattered(fd, parts, count, -1) : syscall(SYS_writev, fd, parts, count);
}
ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t where, int flags) {
    if (below(fd)) return scattered(fd, parts, count, where);
    return syscall(SYS_pwritev2, fd, parts, count, where, 0, flags);
}

/* Read a piece of FROM and write it to INTO, as the kernel would have done. */
static ssize_t carried(int into, off_t *written_to, int from, off_t *read_from, size_t size) {
    static char piece[1 << 20];
    TURN;
    if (size > sizeof piece) size = sizeof piece;
    ssize_t have = syscall(SYS_pread64, from, piece, size, read_from ? *read_from : lseek(from, 0, SEEK_CUR));
    if (have <= 0) OVER(have);
    ssize_t done = written(into, piece, have, written_to ? *written_to : -1);
    if (done > 0) {
        if (read_from) *read_from += done; else lseek(from, done, SEEK_CUR);
        if (written_to) *written_to += done;
    }
    OVER(done);
}

ssize_t sendfile(int into, int from, off_t *where, size_t size) {
    return below(into) ? carried(into, 0, from, where, size) : syscall(SYS_sendfile, into, from, where, size);
}
ssize_t sendfile64(int into, int from, off64_t *where, size_t size) { return sendfile(into, from, where, size); }
ssize_t copy_file_range(int from, off64_t *read_from, int into, off64_t *written_to, size_t size, unsigned flags) {
    if (below(into)) return carried(into, written_to, from, read_from, size);
    return syscall(SYS_copy_file_range, from, read_from, into, written_to, size, flags);
}

/* ---- t: a new length ---- */

static int cut(int fd, off_t size) {
    struct stat status;
    if (!below(fd)) return syscall(SYS_ftruncate, fd, size);
    TURN;
    uint64_t there = inode_of(fd, &status);
    int done = faulty('t') ? -1 : syscall(SYS_ftruncate, fd, size);
    note('t', done < 0, there, 0, 0, 0, 0, size, 0, 0);
    OVER(done);
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) { return cut(fd, size); }

static int cut_by_name(const char *path, off_t size) {
    if (!find(AT_FDCWD, path).below) return syscall(SYS_truncate, path, size);
    int fd = opened(AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    int done = cut(fd, size), kept = errno;
    syscall(SYS_close, fd);
    errno = kept;
    return done;
}

int truncate(const char *path, off_t size) { return cut_by_name(path, size); }
int truncate64(const char *path, off64_t size) { return cut_by_name(path, size); }

/* ---- s: fsync of a file, S: of a folder ---- */

static int synced(int fd, long call) {
    struct stat status;
    if (!below(fd)) return syscall(call, fd);
    TURN;
    uint64_t there = inode_of(fd, &status);
    char what = S_ISDIR(status.st_mode) ? 'S' : 's';
    /* Nothing is waited for: what was durable when is the replayer's to say. */
    int done = faulty(what) ? -1 : 0;
    note(what, done < 0, there, 0, 0, 0, 0, 0, 0, 0);
    OVER(done);
}

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

/* ---- names: r rename, l link, y symbolic link, u unlink, m mkdir, x rmdir ---- */

static int renamed(int from, const char *one, int into, const char *other, unsigned flags) {
    struct place old = find(from, one), new = find(into, other);
    if (!old.below && !new.below) return syscall(SYS_renameat2, from, one, into, other, flags);
    if (!old.below || !new.below || flags) abort();
    TURN;
    uint64_t there = inode(old.path);
    int done = faulty('r') ? -1 : syscall(SYS_renameat2, from, one, into, other, 0);
    note('r', done < 0, there, new.folder, new.name, old.folder, old.name, 0, 0, 0);
    OVER(done);
}

int rename(const char *one, const char *other) { return renamed(AT_FDCWD, one, AT_FDCWD, other, 0); }
int renameat(int from, const char *one, int into, const char *other) { return renamed(from, one, into, other, 0); }
int renameat2(int from, const char *one, int into, const char *other, unsigned f) { return renamed(from, one, into, other, f); }

int linkat(int from, const char *one, int into, const char *other, int flags) {
    struct place old = find(from, one), new = find(into, other);
    if (!new.below) return syscall(SYS_linkat, from, one, into, other, flags);
    if (!old.below) abort();
    TURN;
    uint64_t there = inode(old.path);
    int done = faulty('l') ? -1 : syscall(SYS_linkat, from, one, into, other, flags);
    note('l', done < 0, there, new.folder, new.name, 0, 0, 0, 0, 0);
    OVER(done);
}
int link(const char *one, const char *other) { return linkat(AT_FDCWD, one, AT_FDCWD, other, 0); }

int symlinkat(const char *to, int folder, const char *path) {
    struct place place = find(folder, path);
    if (!place.below) return syscall(SYS_symlinkat, to, folder, path);
    TURN;
    int done = faulty('y') ? -1 : syscall(SYS_symlinkat, to, folder, path);
    note('y', done < 0, done < 0 ? 0 : inode(place.path), place.folder, place.name, 0, 0, 0, to, strlen(to));
    OVER(done);
}
int symlink(const char *to, const char *path) { return symlinkat(to, AT_FDCWD, path); }

int unlinkat(int folder, const char *path, int flags) {
    struct place place = find(folder, path);
    if (!place.below) return syscall(SYS_unlinkat, folder, path, flags);
    TURN;
    uint64_t there = inode(place.path);
    char what = flags & AT_REMOVEDIR ? 'x' : 'u';
    int done = faulty(what) ? -1 : syscall(SYS_unlinkat, folder, path, flags);
    note(what, done < 0, there, place.folder, place.name, 0, 0, 0, 0, 0);
    OVER(done);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    int done = unlinkat(AT_FDCWD, path, 0);
    return done < 0 && errno == EISDIR ? rmdir(path) : done;
}

int mkdirat(int folder, const char *path, mode_t mode) {
    struct place place = find(folder, path);
    if (!place.below) return syscall(SYS_mkdirat, folder, path, mode);
    TURN;
    int done = faulty('m') ? -1 : syscall(SYS_mkdirat, folder, path, mode);
    note('m', done < 0, done < 0 ? 0 : inode(place.path), place.folder, place.name, 0, 0, mode, 0, 0);
    OVER(done);
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* ---- h: mode; g: owner, which the replayer leaves as it is ---- */

int fchmod(int fd, mode_t mode) {
    struct stat status;
    if (!below(fd)) return syscall(SYS_fchmod, fd, mode);
    TURN;
    uint64_t there = inode_of(fd, &status);
    int done = faulty('h') ? -1 : syscall(SYS_fchmod, fd, mode);
    note('h', done < 0, there, 0, 0, 0, 0, mode, 0, 0);
    OVER(done);
}
int fchmodat(int folder, const char *path, mode_t mode, int flags) {
    struct place place = find(folder, path);
    if (!place.below) return syscall(SYS_fchmodat, folder, path, mode);
    if (flags) abort();
    TURN;
    struct stat status;
    uint64_t there = stat(place.path, &status) ? 0 : status.st_ino;
    int done = faulty('h') ? -1 : syscall(SYS_fchmodat, folder, path, mode);
    note('h', done < 0, there, 0, 0, 0, 0, mode, 0, 0);
    OVER(done);
}
int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

int fchown(int fd, uid_t owner, gid_t group) {
    if (!below(fd)) return syscall(SYS_fchown, fd, owner, group);
    TURN;
    struct stat status;
    uint64_t there = inode_of(fd, &status);
    int done = faulty('g') ? -1 : syscall(SYS_fchown, fd, owner, group);
    note('g', done < 0, there, 0, 0, 0, 0, owner, 0, 0);
    OVER(done);
}
int fchownat(int folder, const char *path, uid_t owner, gid_t group, int flags) {
    struct place place = find(folder, path);
    if (!place.below) return syscall(SYS_fchownat, folder, path, owner, group, flags);
    TURN;
    int done = faulty('g') ? -1 : syscall(SYS_fchownat, folder, path, owner, group, flags);
    note('g', done < 0, inode(place.path), 0, 0, 0, 0, owner, 0, 0);
    OVER(done);
}
int chown(const char *path, uid_t owner, gid_t group) { return fchownat(AT_FDCWD, path, owner, group, 0); }
int lchown(const char *path, uid_t owner, gid_t group) {
    return fchownat(AT_FDCWD, path, owner, group, AT_SYMLINK_NOFOLLOW);
}

/* ---- what the lab cannot see ---- */

int fallocate(int fd, int mode, off_t begin, off_t size) {
    if (below(fd)) abort();
    return syscall(SYS_fallocate, fd, mode, begin, size);
}
int posix_fallocate64(int fd, off64_t begin, off64_t size) { return fallocate(fd, 0, begin, size) ? errno : 0; }
ssize_t splice(int from, off64_t *one, int into, off64_t *other, size_t size, unsigned flags) {
    if (below(into)) abort();
    return syscall(SYS_splice, from, one, into, other, size, flags);
}
