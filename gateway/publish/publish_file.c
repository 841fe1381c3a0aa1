/* One structured JSON event a line; delivered after one fdatasync a batch. The file and the stream
 * are file_sink.c and stream_sink.c; here is what the pipeline sees of them: a batch at a time, and
 * results in the next turn. */
#include "publish/publish_file.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/route.h"
#include "net/loop.h"
#include "publish/common.h"
#include "publish/flyteadmin.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
    struct gw_publisher base;
    struct gw_task report;
    struct gw_watch writable; /* a stream that would block */
    int is_stream;
    struct gw_file_sink sink;
    struct gw_stream_sink stream;
    struct gw_flyteadmin flyteadmin;
    struct gw_message *batch; /* what has no result yet */
    struct gw_message *left;  /* of it, from here on: not written */
    struct gw_err why;
};

static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("1000", 1000, "1MiB")};
static const struct gw_field rotate_fields[] = {
    {"max_bytes", GW_F_SIZE, offsetof(struct gw_publish_file_rotate, max_bytes), .required = 1,
     .help = "Size of a file; the event that would pass it begins the next one.", .min = 1,
     .max = INT64_MAX},
    {"keep", GW_F_INT, offsetof(struct gw_publish_file_rotate, keep), .def = "5",
     .help = "Older files kept, as PATH.1 (the newest) to PATH.keep.", .min = 1, .max = 1000},
    {0}};
static const struct gw_field fields[] = {
    {"path", GW_F_STR, offsetof(struct gw_publish_file_conf, path), .required = 1, .path = 1,
     .help = "File to append to; - is standard output."},
    {"fsync", GW_F_BOOL, offsetof(struct gw_publish_file_conf, fsync), .def = "true",
     .help = "Sync every batch before it counts as delivered."},
    {"rotate", GW_F_TABLE, offsetof(struct gw_publish_file_conf, rotate), .pointer = 1,
     .help = "Begin a new file at a size.", .fields = rotate_fields,
     .size = sizeof(struct gw_publish_file_rotate)},
    GW_PUBLISH_COMMON("1GiB", batch_fields),
    {0}};

/* ---- results ---- */

static void on_report(struct gw_task *t)
{
    struct file *f = GW_CONTAINER(t, struct file, report);
    const struct gw_result delivered = {.outcome = GW_DELIVERED};
    const struct gw_result again = {.outcome = GW_TRY_AGAIN, .why = f->why.msg};
    struct gw_message *m = f->batch, *left = f->left;

    f->batch = f->left = NULL; /* a result may lead to the next send */
    while (m && m != left) {
        struct gw_message *next = m->next;

        f->base.result(f->base.ctx, m, &delivered);
        m = next;
    }
    gw_publish_results(&f->base, left, &again);
}

static void write_stream(struct file *f)
{
    int rc = gw_stream_sink_write(&f->stream, &f->left, &f->why);

    gw_watch_want(&f->writable, rc == 1 ? GW_WRITABLE : 0);
    if (rc != 1)
        gw_loop_post(f->base.loop, &f->report);
}

static void on_writable(struct gw_watch *w, int what)
{
    (void)what;
    write_stream(GW_CONTAINER(w, struct file, writable));
}

/* ---- the operations ---- */

static int is_stream(const char *path)
{
    struct stat st;

    if (!strcmp(path, "-"))
        return 1;
    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static struct gw_publisher *file_open(const void *conf, const struct gw_format *fmt,
                                      struct gw_loop *loop, struct gw_err *err)
{
    const struct gw_publish_file_conf *c = conf;
    struct file *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        abort();
    f->base = (struct gw_publisher){.ops = &gw_publish_file, .loop = loop, .keeps_order = 1};
    f->base.limits = gw_publish_limits(&c->common, 1);
    f->flyteadmin = gw_flyteadmin_of(fmt, f->base.limits.message_bytes);
    f->report.fn = on_report;
    f->is_stream = is_stream(c->path);
    rc = f->is_stream ? gw_stream_sink_open(&f->stream, c->path, err)
                      : gw_file_sink_open(&f->sink, c, err);
    if (rc) {
        free(f);
        return NULL;
    }
    if (f->is_stream)
        gw_watch_init(&f->writable, loop, f->stream.fd, on_writable);
    return &f->base;
}

static int file_format(struct gw_publisher *p, const struct gw_event *ev,
                       const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                       struct gw_err *err)
{
    const struct file *f = (const struct file *)p;

    (void)flyte;
    m->event_id = gw_event_text(ev, "id");
    if (f->flyteadmin.style != GW_STYLE_DOCUMENTED
            ? gw_flyteadmin_file(&f->flyteadmin, ev, mem, m, err)
            : gw_publish_json(ev, mem, p->limits.message_bytes, 1, &m->body, err))
        return -1;
    m->bytes = m->body.len;
    return 0;
}

static void file_send(struct gw_publisher *p, struct gw_message *batch)
{
    struct file *f = (struct file *)p;

    assert(!f->batch); /* limits.batches */
    f->batch = f->left = batch;
    if (f->is_stream) {
        write_stream(f);
        return;
    }
    (void)gw_file_sink_write(&f->sink, &f->left, &f->why);
    gw_loop_post(f->base.loop, &f->report);
}

static void file_close(struct gw_publisher *p)
{
    struct file *f = (struct file *)p;

    gw_loop_cancel(f->base.loop, &f->report);
    if (f->is_stream && f->left && f->writable.want)
        gw_err_set(&f->why, GW_ERR_RETRY, "closed before it was written");
    on_report(&f->report);
    gw_watch_fini(&f->writable);
    if (f->is_stream)
        gw_stream_sink_close(&f->stream);
    else
        gw_file_sink_close(&f->sink);
    free(f);
}

/* A folder that is missing may come, a file that is a folder will not be one. */
static void check_path(const char *path, struct gw_problems *p, const struct gw_yaml *at)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *folder;
    struct stat st;
    char why[100];

    at = gw_yaml_place(at, "path");
    if (path && (!*path || (!stat(path, &st) && S_ISDIR(st.st_mode)))) {
        gw_problems_add(p, 0, at->file, at->line, at->column, "path: \"%s\" is a folder", path);
        return;
    }
    if (!slash || slash == path)
        return;
    folder = gw_arena_strndup(p->mem, path, (size_t)(slash - path));
    if (access(folder, W_OK | X_OK))
        gw_problems_add(p, 1, at->file, at->line, at->column, "path: %s: %s", folder,
                        strerror_r(errno, why, sizeof(why)));
}

static void file_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                       const struct gw_yaml *at)
{
    const struct gw_publish_file_conf *c = conf;

    (void)f;
    if (c->rotate && c->path && !strcmp(c->path, "-"))
        gw_problems_add(p, 0, at->file, at->line, at->column,
                        "rotate: standard output cannot be rotated");
    check_path(c->path, p, at);
}

/* Standard output takes whole lines from everyone. */
static int file_same(const void *a, const void *b)
{
    const struct gw_publish_file_conf *x = a, *y = b;

    return x->path && y->path && strcmp(x->path, "-") != 0 && !strcmp(x->path, y->path);
}

/* Keys and headers of a route have no place in a line. */
static const struct gw_routing routing = {.publisher = "file"};

const struct gw_publisher_ops gw_publish_file = {
    .name = "file",
    .help = "One event a line, as structured JSON.",
    .fields = fields,
    .conf_size = sizeof(struct gw_publish_file_conf),
    .lacks = GW_LACKS_BINARY | GW_LACKS_PROTOBUF,
    .routing = &routing,
    .check = file_check,
    .same = file_same,
    .open = file_open,
    .format = file_format,
    .send = file_send,
    .ask = gw_file_ask,
    .close = file_close,
};
