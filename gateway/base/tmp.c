#include "base/tmp.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

/* A file system without O_TMPFILE has it with a name for a moment. */
static int open_in(const char *folder)
{
    char path[PATH_MAX];
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    if ((size_t)snprintf(path, sizeof(path), "%s/moongate-XXXXXX", folder) >= sizeof(path))
        return -1;
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

FILE *gw_tmp_open(const char *folder, struct gw_err *err)
{
    const char *const folders[] = {
        getenv("TMPDIR"), /* NOLINT(concurrency-mt-unsafe): never set here */
        "/tmp", folder};
    FILE *f = NULL;
    int fd = -1;

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]) && fd < 0; i++)
        if (folders[i] && folders[i][0])
            fd = open_in(folders[i]);
    if (fd >= 0)
        f = fdopen(fd, "w+");
    if (!f) {
        gw_err_errno(err, GW_ERR_RETRY, "a temporary file (TMPDIR names a place for it)");
        if (fd >= 0)
            close(fd);
    }
    return f;
}
