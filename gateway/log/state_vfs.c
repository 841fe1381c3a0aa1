/* SQLite's files, opened by its own VFS; only their syncs are ours, so that a fault pointer holds
 * all syncs of the log (gw_log_sync). The VFS does not show its descriptors, so each file has a
 * second one for the sync. It is closed after SQLite's: a close drops the process's locks. */
#include "log/inside.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

/* Behind SQLite's own bytes of a file. */
struct tail {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *own;
    int fd, dir_fd; /* dir_fd: until the first sync, which makes the file's name durable as well */
};

static sqlite3_vfs vfs;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static sqlite3_vfs *own_vfs(void)
{
    return vfs.pAppData;
}

static struct tail *tail_of(sqlite3_file *f)
{
    return (struct tail *)(void *)((char *)f + ((own_vfs()->szOsFile + 15) & ~15));
}

static int on_sync(sqlite3_file *f, int flags)
{
    struct tail *t = tail_of(f);

    (void)flags;
    if (gw_log_sync(t->fd))
        return SQLITE_IOERR_FSYNC;
    if (t->dir_fd >= 0) {
        if (gw_log_sync(t->dir_fd))
            return SQLITE_IOERR_DIR_FSYNC;
        close(t->dir_fd);
        t->dir_fd = -1;
    }
    return SQLITE_OK;
}

static int on_close(sqlite3_file *f)
{
    struct tail *t = tail_of(f);
    int rc = t->own->xClose(f);

    close(t->fd);
    if (t->dir_fd >= 0)
        close(t->dir_fd);
    return rc;
}

static int open_dir(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof(dir))
        return -1;
    memcpy(dir, slash && n ? path : ".", slash && n ? n : 1);
    dir[slash && n ? n : 1] = '\0';
    return open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int on_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
    struct tail *t = tail_of(f);
    int rc = own_vfs()->xOpen(own_vfs(), name, f, flags, out_flags);

    (void)v;
    if (rc != SQLITE_OK || !name)
        return rc;
    t->own = f->pMethods;
    t->methods = *t->own;
    t->methods.xSync = on_sync;
    t->methods.xClose = on_close;
    t->fd = open(name, O_RDONLY | O_CLOEXEC);
    t->dir_fd = open_dir(name);
    f->pMethods = &t->methods;
    if (t->fd >= 0)
        return SQLITE_OK;
    (void)on_close(f);
    f->pMethods = NULL;
    return SQLITE_CANTOPEN;
}

static void register_vfs(void)
{
    sqlite3_vfs *own = sqlite3_vfs_find(NULL);

    vfs = *own;
    vfs.zName = "moongate";
    vfs.pAppData = own;
    vfs.szOsFile = ((own->szOsFile + 15) & ~15) + (int)sizeof(struct tail);
    vfs.xOpen = on_open;
    sqlite3_vfs_register(&vfs, 0);
}

const char *gw_state_vfs(void)
{
    pthread_once(&once, register_vfs);
    return vfs.zName;
}
