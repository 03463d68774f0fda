/* Refuses calls to the disk below a folder: the n-th, or all from the n-th on, or all of it but half of one write.
   Preloaded into the processes of the trials; it does nothing until gatelab_refuse is called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ONCE, LASTING, HALF };

static char below[PATH_MAX];
static size_t below_length;
static long at, passed, refused;
static int code, mode;

void gatelab_refuse(const char *folder, long n, int error, int how) {
    code = error;
    mode = how;
    at = n;
    passed = refused = 0;
    snprintf(below, sizeof below, "%s/", folder);
    below_length = strlen(below);
}
long gatelab_passed(void) { return passed; }
long gatelab_refused(void) { return refused; }

static int inside(const char *path) {
    char whole[2 * PATH_MAX];
    if (!below_length) return 0;
    if (path[0] != '/') {
        if (!getcwd(whole, PATH_MAX)) return 0;
        size_t length = strlen(whole);
        snprintf(whole + length, sizeof whole - length, "/%s", path);
        path = whole;
    }
    return strncmp(path, below, below_length) == 0;
}

static int inside_fd(int fd) {
    char link[64], path[PATH_MAX];
    if (!below_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}

/* 0: go on; 1: refuse; 2: do half of it */
static int ask(int is_write) {
    long mine = __atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST);
    if (!at || mine < at || (mode == ONCE && mine > at)) return 0;
    if (mode == HALF && !is_write) return 0;
    long before = __atomic_fetch_add(&refused, 1, __ATOMIC_SEQ_CST);
    if (mode == HALF && before > 1) return 0;
    if (mode == HALF && before == 0) return 2;
    errno = code;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRITES(flags) ((flags) & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND))

#define OPENING(name)                                                                  \
    int name(const char *path, int flags, ...) {                                       \
        mode_t rights = 0;                                                             \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); rights = va_arg(rest, mode_t); va_end(rest); } \
        if (WRITES(flags) && inside(path) && ask(0)) return -1;                        \
        return REAL(name)(path, flags, rights);                                        \
    }
OPENING(open)
OPENING(open64)

#define OPENING_AT(name)                                                               \
    int name(int folder, const char *path, int flags, ...) {                           \
        mode_t rights = 0;                                                             \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); rights = va_arg(rest, mode_t); va_end(rest); } \
        if (WRITES(flags) && inside(path) && ask(0)) return -1;                        \
        return REAL(name)(folder, path, flags, rights);                                \
    }
OPENING_AT(openat)
OPENING_AT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    if (inside_fd(fd)) {
        int answer = ask(1);
        if (answer == 1) return -1;
        if (answer == 2 && size > 1) size /= 2;
    }
    return REAL(write)(fd, data, size);
}
int fsync(int fd) { return inside_fd(fd) && ask(0) ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return inside_fd(fd) && ask(0) ? -1 : REAL(fdatasync)(fd); }
int mkdir(const char *path, mode_t rights) { return inside(path) && ask(0) ? -1 : REAL(mkdir)(path, rights); }
int mkdirat(int folder, const char *path, mode_t rights) { return inside(path) && ask(0) ? -1 : REAL(mkdirat)(folder, path, rights); }
int rename(const char *from, const char *to) { return inside(to) && ask(0) ? -1 : REAL(rename)(from, to); }
int renameat(int a, const char *from, int b, const char *to) { return inside(to) && ask(0) ? -1 : REAL(renameat)(a, from, b, to); }
int link(const char *from, const char *to) { return inside(to) && ask(0) ? -1 : REAL(link)(from, to); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return inside(to) && ask(0) ? -1 : REAL(linkat)(a, from, b, to, flags); }
