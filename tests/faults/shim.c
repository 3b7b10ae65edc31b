/* Counts the state-changing file operations below one folder and fails the n-th of them. Loaded by LD_PRELOAD.

   kill   SIGKILL before it happens.
   torn   SIGKILL after it happened; a write happens by half.
   full   ENOSPC for it and for everything after it that needs space.
   broken EIO for it alone.

   Every operation is written to the trace as "name path", so that its order can be checked. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { KILL = 1, TORN, FULL, BROKEN };
enum { GO, HALF, FAIL };

static char root[PATH_MAX];
static long at;
static int kind, trace = -1;
static atomic_long count;

void fault_arm(const char *folder, long number, int how, int descriptor) {
    snprintf(root, sizeof root, "%s", folder);
    at = number;
    kind = how;
    atomic_store(&count, 0);
    trace = descriptor;
}

void fault_disarm(void) { trace = -1; }

static void die(void) { kill(getpid(), SIGKILL); }

static int step(const char *name, const char *path, int needs_space) {
    if (trace < 0 || strncmp(path, root, strlen(root)) != 0) return GO;
    long number = atomic_fetch_add(&count, 1);
    char line[PATH_MAX + 64];
    int size = snprintf(line, sizeof line, "%s %s\n", name, path);
    syscall(SYS_write, trace, line, size);
    if (at < 0 || number < at) return GO;
    if (kind == FULL && needs_space) { errno = ENOSPC; return FAIL; }
    if (number > at) return GO;
    if (kind == KILL) die();
    if (kind == BROKEN) { errno = EIO; return FAIL; }
    return kind == TORN ? HALF : GO;
}

static const char *absolute(int folder, const char *path, char *out) {
    char base[PATH_MAX] = "", link[64];
    if (path[0] == '/') return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(base, sizeof base)) return path;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, base, sizeof base - 1);
        base[size < 0 ? 0 : size] = 0;
    }
    snprintf(out, PATH_MAX, "%.2000s/%.2000s", base, path);
    return out;
}

static const char *of(int descriptor, char *out) {
    int before = errno;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, out, PATH_MAX - 1);
    out[size < 0 ? 0 : size] = 0;
    errno = before;
    return out;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARD(label, where, space, call, bad)            \
    char buffer[PATH_MAX];                               \
    int verdict = step(label, where, space);             \
    if (verdict == FAIL) return bad;                     \
    __typeof__(call) result = call;                      \
    if (verdict == HALF) die();                          \
    return result

#define OPEN(name)                                                                      \
    int name(const char *path, int flags, ...) {                                        \
        va_list more;                                                                   \
        va_start(more, flags);                                                          \
        mode_t mode = va_arg(more, mode_t);                                             \
        va_end(more);                                                                   \
        if (!(flags & (O_CREAT | O_TRUNC))) return REAL(name)(path, flags, mode);       \
        GUARD("open", absolute(AT_FDCWD, path, buffer), 1, REAL(name)(path, flags, mode), -1); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                         \
    int name(int folder, const char *path, int flags, ...) {                                 \
        va_list more;                                                                        \
        va_start(more, flags);                                                               \
        mode_t mode = va_arg(more, mode_t);                                                  \
        va_end(more);                                                                        \
        if (!(flags & (O_CREAT | O_TRUNC))) return REAL(name)(folder, path, flags, mode);    \
        GUARD("open", absolute(folder, path, buffer), 1, REAL(name)(folder, path, flags, mode), -1); \
    }
OPENAT(openat)
OPENAT(openat64)

#define WRITE(name, signature, whole, half)                       \
    ssize_t name signature {                                      \
        char buffer[PATH_MAX];                                    \
        int verdict = step("write", of(descriptor, buffer), 1);   \
        if (verdict == FAIL) return -1;                           \
        if (verdict == HALF) { half; die(); }                     \
        return whole;                                             \
    }
WRITE(write, (int descriptor, const void *data, size_t size), REAL(write)(descriptor, data, size), REAL(write)(descriptor, data, size / 2))
WRITE(pwrite, (int descriptor, const void *data, size_t size, off_t place), REAL(pwrite)(descriptor, data, size, place), REAL(pwrite)(descriptor, data, size / 2, place))
WRITE(pwrite64, (int descriptor, const void *data, size_t size, off64_t place), REAL(pwrite64)(descriptor, data, size, place), REAL(pwrite64)(descriptor, data, size / 2, place))
WRITE(writev, (int descriptor, const struct iovec *parts, int number), REAL(writev)(descriptor, parts, number), REAL(writev)(descriptor, parts, (number + 1) / 2))

int fsync(int descriptor) { GUARD("fsync", of(descriptor, buffer), 1, REAL(fsync)(descriptor), -1); }
int fdatasync(int descriptor) { GUARD("fsync", of(descriptor, buffer), 1, REAL(fdatasync)(descriptor), -1); }
int ftruncate(int descriptor, off_t size) { GUARD("truncate", of(descriptor, buffer), 1, REAL(ftruncate)(descriptor, size), -1); }
int ftruncate64(int descriptor, off64_t size) { GUARD("truncate", of(descriptor, buffer), 1, REAL(ftruncate64)(descriptor, size), -1); }
int rename(const char *from, const char *to) { GUARD("rename", absolute(AT_FDCWD, to, buffer), 0, REAL(rename)(from, to), -1); }
int renameat(int a, const char *from, int b, const char *to) { GUARD("rename", absolute(b, to, buffer), 0, REAL(renameat)(a, from, b, to), -1); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { GUARD("rename", absolute(b, to, buffer), 0, REAL(renameat2)(a, from, b, to, flags), -1); }
int unlink(const char *path) { GUARD("unlink", absolute(AT_FDCWD, path, buffer), 0, REAL(unlink)(path), -1); }
int unlinkat(int folder, const char *path, int flags) { GUARD("unlink", absolute(folder, path, buffer), 0, REAL(unlinkat)(folder, path, flags), -1); }
int rmdir(const char *path) { GUARD("unlink", absolute(AT_FDCWD, path, buffer), 0, REAL(rmdir)(path), -1); }
int mkdir(const char *path, mode_t mode) { GUARD("mkdir", absolute(AT_FDCWD, path, buffer), 1, REAL(mkdir)(path, mode), -1); }
int mkdirat(int folder, const char *path, mode_t mode) { GUARD("mkdir", absolute(folder, path, buffer), 1, REAL(mkdirat)(folder, path, mode), -1); }
int link(const char *from, const char *to) { GUARD("link", absolute(AT_FDCWD, to, buffer), 1, REAL(link)(from, to), -1); }
int symlink(const char *from, const char *to) { GUARD("link", absolute(AT_FDCWD, to, buffer), 1, REAL(symlink)(from, to), -1); }
