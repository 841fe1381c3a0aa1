#include "cmd/ready.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MAX_TEXT = 8192 };

static void put_address(struct gw_buf *b, const char *name, const char *address)
{
    if (!address)
        return;
    gw_buf_printf(b, ",\"%s\":", name);
    gw_json_put_string(b, gw_str_of(address));
}

static int write_all(int fd, struct gw_str s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.p, s.len);

        if (n < 0)
            return -1;
        s.p += n;
        s.len -= (size_t)n;
    }
    return 0;
}

static int write_aside(const char *path, struct gw_str text, struct gw_err *err)
{
    char aside[4096];
    int fd, rc;

    if ((size_t)snprintf(aside, sizeof(aside), "%s.%ld.part", path, (long)getpid()) >=
        sizeof(aside))
        return gw_err_set(err, GW_ERR_FATAL, "ready file: the path is too long");
    fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return gw_err_errno(err, GW_ERR_FATAL, "ready file %s", path);
    rc = write_all(fd, text);
    if (close(fd) || rc || rename(aside, path)) {
        gw_err_errno(err, GW_ERR_FATAL, "ready file %s", path);
        unlink(aside);
        return -1;
    }
    return 0;
}

int gw_ready_file(const char *path, const char *grpc, const char *http, const char *admin,
                  struct gw_err *err)
{
    struct gw_buf b;
    int rc;

    gw_buf_init(&b, MAX_TEXT, NULL);
    gw_buf_printf(&b, "{\"pid\":%ld", (long)getpid());
    put_address(&b, "grpc", grpc);
    put_address(&b, "http", http);
    put_address(&b, "admin", admin);
    gw_buf_puts(&b, "}\n");
    rc = write_aside(path, gw_buf_str(&b), err);
    gw_buf_free(&b);
    return rc;
}

void gw_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): never set here */
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
