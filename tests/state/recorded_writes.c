/* What a process writes to a folder and what it syncs, in order, for power_cut.py: a library to be preloaded.

   RECORDED_FOLDER  the folder, an absolute path without links; RECORDED_LOG  the file that the records go to.

   A record: kind (1 byte), inode, offset, bytes of the path, bytes of the data (8 bytes each, this machine's order),
   path, data. It is written after what it tells was done. Of descriptor 1, standard output, every write is told. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int log_file(void) {
    static int file = -1;
    const char *path = getenv("RECORDED_LOG");
    if (file < 0 && path) file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) abort();
    return file;
}

static void record(char kind, uint64_t inode, uint64_t offset, const char *path, const void *data, uint64_t size) {
    __typeof__(writev) *real = (__typeof__(writev) *)dlsym(RTLD_NEXT, "writev");
    uint64_t numbers[4] = {inode, offset, strlen(path), size};
    struct iovec parts[4] = {{&kind, 1}, {numbers, sizeof numbers}, {(void *)path, numbers[2]}, {(void *)data, size}};
    if (real(log_file(), parts, 4) != (ssize_t)(1 + sizeof numbers + numbers[2] + size)) abort();
}

static int is_watched(const char *path) {
    const char *folder = getenv("RECORDED_FOLDER");
    return folder && !strncmp(path, folder, strlen(folder)) && strchr("/", path[strlen(folder)]);
}

/* Of an open file within the folder, or the folder itself: its path and inode. */
static int watched(int file, char *path, uint64_t *inode) {
    int before = errno;
    char link[64];
    struct stat status;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size >= 0) path[size] = 0;
    int found = size > 0 && is_watched(path) && !fstat(file, &status);
    if (found) *inode = status.st_ino;
    errno = before;
    return found;
}

static void wrote(int file, const void *data, ssize_t size, int64_t offset) {
    char path[PATH_MAX];
    uint64_t inode;
    if (size < 0) return;
    if (file == 1) record('A', 0, 0, "", data, size);
    else if (watched(file, path, &inode)) {
        if (offset < 0) offset = lseek(file, 0, SEEK_CUR) - size; /* it was written where the file stood */
        record('W', inode, offset, path, data, size);
        if (fcntl(file, F_GETFL) & O_DSYNC) record('S', inode, 0, path, "", 0); /* O_SYNC has this bit too */
    }
}

static void wrote_parts(int file, const struct iovec *parts, int count, ssize_t size, int64_t offset) {
    if (size < 0) return;
    char *data = malloc(size + 1), *end = data;
    for (int i = 0; i < count && end - data < size; i++) {
        size_t part = parts[i].iov_len, left = size - (end - data);
        end = mempcpy(end, parts[i].iov_base, part < left ? part : left);
    }
    wrote(file, data, size, offset);
    free(data);
}

static void told(char kind, int file, uint64_t offset, int result) {
    char path[PATH_MAX];
    uint64_t inode;
    if (!result && watched(file, path, &inode)) record(kind, inode, offset, path, "", 0);
}

ssize_t write(int file, const void *data, size_t size) {
    REAL(write);
    ssize_t done = real(file, data, size);
    wrote(file, data, done, -1);
    return done;
}

ssize_t writev(int file, const struct iovec *parts, int count) {
    REAL(writev);
    ssize_t done = real(file, parts, count);
    wrote_parts(file, parts, count, done, -1);
    return done;
}

#define PWRITE(name) ssize_t name(int file, const void *data, size_t size, off_t offset) { \
    REAL(name); ssize_t done = real(file, data, size, offset); wrote(file, data, done, offset); return done; }
#define PWRITEV(name) ssize_t name(int file, const struct iovec *parts, int count, off_t offset) { \
    REAL(name); ssize_t done = real(file, parts, count, offset); \
    wrote_parts(file, parts, count, done, offset); return done; }
#define TRUNCATE(name) int name(int file, off_t size) { \
    REAL(name); int result = real(file, size); told('T', file, size, result); return result; }
#define SYNC(name) int name(int file) { \
    REAL(name); int result = real(file); told('S', file, 0, result); return result; }
#define MAP(name) void *name(void *at, size_t size, int protection, int flags, int file, off_t offset) { \
    REAL(name); void *place = real(at, size, protection, flags, file, offset); \
    told('M', file, 0, place == MAP_FAILED || !(protection & PROT_WRITE) || !(flags & MAP_SHARED)); return place; }
PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)
SYNC(fsync)
SYNC(fdatasync)
MAP(mmap)
MAP(mmap64)

int rename(const char *old, const char *new) {
    REAL(rename);
    struct stat status;
    int found = !stat(old, &status), result = real(old, new);
    if (!result && found && (is_watched(old) || is_watched(new)))
        record('R', status.st_ino, 0, old, new, strlen(new));
    return result;
}

int link(const char *old, const char *new) {
    REAL(link);
    struct stat status;
    int found = !stat(old, &status), result = real(old, new);
    if (!result && found && is_watched(new)) record('L', status.st_ino, 0, old, new, strlen(new));
    return result;
}

int linkat(int from, const char *old, int to, const char *new, int flags) {
    if (from == AT_FDCWD && to == AT_FDCWD) return link(old, new);
    REAL(linkat);
    return real(from, old, to, new, flags);
}

int unlink(const char *path) {
    REAL(unlink);
    struct stat status;
    int found = !stat(path, &status), result = real(path);
    if (!result && found && is_watched(path)) record('U', status.st_ino, 0, path, "", 0);
    return result;
}
