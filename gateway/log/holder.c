/* Which process holds a data directory, for commands that would ask it. Nothing is made; the lock
 * is only tried, shared, so that two who look do not see each other. */
#include "log/inside.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* "PID\nADDRESS\n"; the second line comes when the gateway listens. */
static int read_lines(int dir, int *pid, char *admin, size_t admin_size)
{
    char text[512], *end, *line;
    long n;

    if (gw_read_small(dir, "lock", text, sizeof(text)))
        return -1;
    n = strtol(text, &end, 10);
    if (end == text || *end != '\n' || n <= 0)
        return -1; /* it is being written */
    *pid = (int)n;
    line = end + 1;
    end = strchr(line, '\n');
    if (end && (size_t)(end - line) < admin_size)
        (void)snprintf(admin, admin_size, "%.*s", (int)(end - line), line);
    return 0;
}

static int look(const char *path, int fd, struct gw_err *err)
{
    if (!flock(fd, LOCK_SH | LOCK_NB))
        return 0;
    if (errno == EWOULDBLOCK)
        return 1;
    return gw_err_errno(err, GW_ERR_FATAL, "try the lock of %s", path);
}

int gw_log_holder(const char *path, int *pid, char *admin, size_t admin_size, struct gw_err *err)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, rc;

    *pid = 0;
    if (admin_size)
        admin[0] = '\0';
    if (dir < 0)
        return errno == ENOENT ? 0 : gw_err_errno(err, GW_ERR_FATAL, "open %s", path);
    fd = openat(dir, "lock", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        rc = errno == ENOENT ? 0 : gw_err_errno(err, GW_ERR_FATAL, "open %s/lock", path);
    else
        rc = look(path, fd, err);
    if (fd >= 0)
        close(fd);
    if (rc == 1 && read_lines(dir, pid, admin, admin_size))
        rc = gw_err_set(err, GW_ERR_RETRY, "%s is in use, but its lock file does not say by whom",
                        path);
    close(dir);
    return rc;
}
