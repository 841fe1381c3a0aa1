#include "publish/publish_file.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What the sinks of one stream share: several workers, a replay beside its pipeline, pipelines that
 * all write to standard output. */
struct gw_stream {
    struct gw_stream *next; /* under the list's lock, like refs */
    unsigned refs;
    dev_t dev;
    ino_t ino;
    pthread_mutex_t lock;               /* of what follows, and while one writes */
    const struct gw_stream_sink *owner; /* has begun a line and not ended it; the others wait */
    int torn;                           /* such a line was given up: a line feed comes first */
};

static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gw_stream *streams;

static struct gw_stream *join(const struct stat *st)
{
    struct gw_stream *s;

    pthread_mutex_lock(&streams_lock);
    for (s = streams; s && (s->dev != st->st_dev || s->ino != st->st_ino); s = s->next)
        ;
    if (!s) {
        s = calloc(1, sizeof(*s));
        if (!s)
            abort();
        s->dev = st->st_dev;
        s->ino = st->st_ino;
        pthread_mutex_init(&s->lock, NULL);
        s->next = streams;
        streams = s;
    }
    s->refs++;
    pthread_mutex_unlock(&streams_lock);
    return s;
}

static void leave(struct gw_stream *s)
{
    struct gw_stream **at = &streams;

    pthread_mutex_lock(&streams_lock);
    if (--s->refs == 0) {
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        pthread_mutex_destroy(&s->lock);
        free(s);
    }
    pthread_mutex_unlock(&streams_lock);
}

/* A descriptor of our own of what standard output is, so that it can be non-blocking without
 * changing it for the others that have it. A socket cannot be opened like that: it stays as it is.
 */
static int open_stdout(void)
{
    int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

    return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

/* The line that was begun will not be ended. */
static void give_up(struct gw_stream_sink *s)
{
    s->stream->torn |= s->done > 0;
    s->done = 0;
    if (s->stream->owner == s)
        s->stream->owner = NULL;
}

void gw_stream_sink_close(struct gw_stream_sink *s)
{
    if (s->stream) {
        pthread_mutex_lock(&s->stream->lock);
        give_up(s);
        pthread_mutex_unlock(&s->stream->lock);
        leave(s->stream);
        s->stream = NULL;
    }
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int gw_stream_sink_open(struct gw_stream_sink *s, const char *path, struct gw_err *err)
{
    const int std = path[0] == '-' && !path[1];
    struct stat st;

    *s = (struct gw_stream_sink){.fd = std ? open_stdout()
                                           : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)};
    if (s->fd < 0 || fstat(s->fd, &st)) {
        gw_err_errno(err, GW_ERR_RETRY, "cannot open %s", std ? "standard output" : path);
        gw_stream_sink_close(s);
        return -1;
    }
    s->stream = join(&st);
    return 0;
}

enum { VECS = 256 };

static int gather(const struct gw_stream_sink *s, const struct gw_message *m, struct iovec *v)
{
    size_t skip = s->done;
    int n = 0;

    if (s->stream->torn)
        v[n++] = (struct iovec){(void *)"\n", 1};
    for (; m && n < VECS; m = m->next, skip = 0)
        v[n++] = (struct iovec){(void *)(m->body.p + skip), m->body.len - skip};
    return n;
}

/* Moves *m over what was written. */
static void advance(struct gw_stream_sink *s, struct gw_message **m, size_t n)
{
    if (s->stream->torn && n) {
        s->stream->torn = 0;
        n--;
    }
    while (*m && n >= (*m)->body.len - s->done) {
        n -= (*m)->body.len - s->done;
        s->done = 0;
        *m = (*m)->next;
    }
    s->done += n;
}

/* Under the stream's lock. */
static int write_lines(struct gw_stream_sink *s, struct gw_message **m, struct gw_err *err)
{
    while (*m) {
        struct iovec v[VECS];
        ssize_t n = writev(s->fd, v, gather(s, *m, v));

        if (n >= 0) {
            advance(s, m, (size_t)n);
            s->stream->owner = s->done ? s : NULL;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN)
            return 1;
        gw_err_errno(err, GW_ERR_RETRY, "write");
        give_up(s); /* the line is sent again, whole, after a line feed */
        return -1;
    }
    return 0;
}

/* While another one is in the middle of a line the stream is full, or was a moment ago: waiting
 * until it can be written to is waiting for that one. */
int gw_stream_sink_write(struct gw_stream_sink *s, struct gw_message **m, struct gw_err *err)
{
    const struct gw_stream_sink *owner;
    int rc = 1;

    pthread_mutex_lock(&s->stream->lock);
    owner = s->stream->owner;
    if (!owner || owner == s)
        rc = write_lines(s, m, err);
    pthread_mutex_unlock(&s->stream->lock);
    return rc;
}
