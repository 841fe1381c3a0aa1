#include "publish/publish_file.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

/* A descriptor of our own of what standard output is, so that it can be non-blocking without
 * changing it for the others that have it. A socket cannot be opened like that: it stays as it is.
 */
static int open_stdout(void)
{
    int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

int gw_stream_sink_open(struct gw_stream_sink *s, const char *path, struct gw_err *err)
{
    const int std = path[0] == '-' && !path[1];

    *s = (struct gw_stream_sink){.fd = std ? open_stdout()
                                           : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
    if (s->fd < 0)
        return gw_err_errno(err, GW_ERR_RETRY, "cannot open %s", std ? "standard output" : path);
    return 0;
}

void gw_stream_sink_close(struct gw_stream_sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

enum { VECS = 256 };

static int gather(const struct gw_stream_sink *s, const struct gw_message *m, struct iovec *v)
{
    size_t skip = s->done;
    int n = 0;

    if (s->torn)
        v[n++] = (struct iovec){(void *)"\n", 1};
    for (; m && n < VECS; m = m->next, skip = 0)
        v[n++] = (struct iovec){(void *)(m->body.p + skip), m->body.len - skip};
    return n;
}

/* Moves *m over what was written. */
static void advance(struct gw_stream_sink *s, struct gw_message **m, size_t n)
{
    if (s->torn && n) {
        s->torn = 0;
        n--;
    }
    while (*m && n >= (*m)->body.len - s->done) {
        n -= (*m)->body.len - s->done;
        s->done = 0;
        *m = (*m)->next;
    }
    s->done += n;
}

int gw_stream_sink_write(struct gw_stream_sink *s, struct gw_message **m, struct gw_err *err)
{
    while (*m) {
        struct iovec v[VECS];
        ssize_t n = writev(s->fd, v, gather(s, *m, v));

        if (n >= 0) {
            advance(s, m, (size_t)n);
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return 1;
        gw_err_errno(err, GW_ERR_RETRY, "write");
        s->torn |= s->done > 0; /* the line is sent again, whole, after a newline */
        s->done = 0;
        return -1;
    }
    return 0;
}
