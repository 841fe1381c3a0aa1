/* Asking: over HTTP to the gateway that runs, or of the directory that is open here; the lines are
 * the same. */
#include "cmd/place.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "cmd/fields.h"
#include "net/http1_client.h"

#include <stdio.h>

enum {
    MAX_LINE = 128 * 1024 * 1024, /* a record as JSON; it grows as it is needed */
    LOOK_EVERY = 64,              /* lines between two looks at signals */
    HEAD_MS = 30000               /* for the first bytes of an answer */
};

/* ---- the running gateway ---- */

struct remote {
    struct gw_http_call call;
    const struct gw_ask *ask;
    struct gw_timer head;
    int done, enough, broken, late;
    struct gw_err err; /* broken: why */
};

static void on_done(struct gw_http_call *call)
{
    GW_CONTAINER(call, struct remote, call)->done = 1;
}

/* What went wrong after the first line can only be told in the last one. */
static int is_error(struct gw_str line)
{
    static const char start[] = "{\"code\":";

    return line.len > sizeof(start) - 1 && !memcmp(line.p, start, sizeof(start) - 1);
}

static void take_error(struct remote *r, struct gw_str line)
{
    const struct gw_str message = gw_line_get(r->call.mem, line, "message");

    r->enough = r->broken = 1;
    gw_err_set(&r->err, GW_ERR_RETRY, "%.*s", (int)message.len, message.p ? message.p : "");
}

static void on_data(struct gw_http_call *call)
{
    struct remote *r = GW_CONTAINER(call, struct remote, call);
    size_t at = 0;
    const char *end;

    if (call->status != 200)
        return;
    while (at < call->answer.len && !r->enough &&
           (end = memchr(call->answer.p + at, '\n', call->answer.len - at))) {
        const struct gw_str line = {call->answer.p + at, (size_t)(end - call->answer.p) - at};

        if (is_error(line))
            take_error(r, line);
        else
            r->enough = r->ask->line(r->ask->ctx, line);
        at += line.len + 1;
    }
    gw_buf_drop(&call->answer, at);
}

static int refused(struct gw_place *p, const struct gw_http_call *call, struct gw_err *err)
{
    const struct gw_str message = gw_line_get(p->mem, gw_buf_str(&call->answer), "message");
    const enum gw_err_kind kind = call->status == 404 ? GW_ERR_UNSUPPORTED : GW_ERR_REJECT;

    if (call->status == 401)
        return gw_err_set(err, kind, "the gateway wants its token: %s",
                          p->authorization
                              ? "that of admin.token_file is not the one it knows"
                              : "name its configuration, with admin.token_file, by -c");
    if (message.p)
        return gw_err_set(err, kind, "%.*s", (int)message.len, message.p);
    return gw_err_set(err, kind, "the gateway answers with HTTP status %d", call->status);
}

static void on_head_late(struct gw_timer *t)
{
    struct remote *r = GW_CONTAINER(t, struct remote, head);

    r->late = r->call.status == 0;
}

static int no_answer(const struct gw_place *p, const char *why, struct gw_err *err)
{
    char who[40] = "the gateway";

    if (p->pid)
        snprintf(who, sizeof(who), "moongate (pid %d)", p->pid);
    return gw_err_set(err, GW_ERR_RETRY, "%s does not answer on its admin address %s: %s", who,
                      p->admin, why);
}

/* Until it has ended, or nobody wants more of it. */
static void converse(struct gw_place *p, struct remote *r)
{
    gw_timer_init(&r->head, p->loop, on_head_late);
    gw_timer_set(&r->head, HEAD_MS);
    gw_http1_client_start(p->client, &r->call);
    while (!r->done && !r->enough && !r->late && !p->interrupted)
        gw_loop_turn(p->loop, 1);
    gw_timer_fini(&r->head);
    if (!r->done) { /* the connection is in the middle of an answer */
        gw_http1_client_close(p->client);
        p->client = gw_http1_client_new(p->loop, p->admin);
    }
}

static int ask_gateway(struct gw_place *p, const struct gw_ask *a, struct gw_err *err)
{
    struct gw_http_header authorization = {GW_STR("authorization"), gw_str_of(p->authorization)};
    struct remote r = {.ask = a,
                       .call = {.method = gw_str_of(a->method),
                                .scheme = GW_STR("http"),
                                .authority = gw_str_of(p->admin),
                                .path = a->path,
                                .headers = &authorization,
                                .n_headers = p->authorization ? 1 : 0,
                                .max_answer = MAX_LINE,
                                .mem = p->mem,
                                .done = on_done,
                                .data = on_data}};

    converse(p, &r);
    if (r.broken) {
        *err = r.err;
        return -1;
    }
    if (r.late)
        return no_answer(p, "no answer within 30 s", err);
    if (!r.done)
        return 0;
    if (r.call.failed && r.call.status == 0)
        return no_answer(p, r.call.err.msg, err);
    if (r.call.failed)
        return gw_err_set(err, GW_ERR_RETRY, "the gateway broke off: %s", r.call.err.msg);
    return r.call.status == 200 ? 0 : refused(p, &r.call, err);
}

/* ---- the open directory ---- */

struct local {
    struct gw_mail wake;
    int woken;
};

static void on_wake(struct gw_mail *m)
{
    GW_CONTAINER(m, struct local, wake)->woken = 1;
}

/* 1: there may be more. */
static int pull(struct gw_place *p, const struct gw_ask *a, struct local *l, struct gw_lines *lines,
                struct gw_buf *line, struct gw_err *err)
{
    int rc;

    gw_buf_clear(line);
    l->woken = 0;
    rc = lines->next(lines, line, err);
    if (rc == 1)
        return !a->line(a->ctx, (struct gw_str){line->p, line->len - 1});
    while (rc == 2 && !l->woken && !p->interrupted)
        gw_loop_turn(p->loop, 1);
    return rc == 2 ? 1 : rc;
}

static int ask_directory(struct gw_place *p, const struct gw_ask *a, struct gw_err *err)
{
    struct local l = {.wake.fn = on_wake};
    struct gw_lines *lines = a->open(a->ctx, p, &l.wake, err);
    struct gw_buf line;
    int rc = 1;

    if (!lines)
        return -1;
    gw_buf_init(&line, MAX_LINE, NULL);
    for (int n = 1; rc == 1 && !p->interrupted; n++) {
        rc = pull(p, a, &l, lines, &line, err);
        if (n % LOOK_EVERY == 0)
            gw_loop_turn(p->loop, 0);
    }
    lines->close(lines);
    while (gw_lines_busy())
        gw_loop_turn(p->loop, 1);
    gw_buf_free(&line);
    return rc < 0 ? -1 : 0;
}

int gw_ask(struct gw_place *p, const struct gw_ask *a, struct gw_err *err)
{
    return p->held ? ask_gateway(p, a, err) : ask_directory(p, a, err);
}

void gw_ask_segment(struct gw_buf *path, struct gw_str text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:";

    for (size_t i = 0; i < text.len; i++)
        if (text.p[i] && strchr(plain, text.p[i]))
            gw_buf_putc(path, text.p[i]);
        else
            gw_buf_printf(path, "%%%02X", (unsigned char)text.p[i]);
}

void gw_ask_param(struct gw_buf *path, const char *name, struct gw_str value)
{
    if (!value.p)
        return;
    gw_buf_putc(path, memchr(path->p, '?', path->len) ? '&' : '?');
    gw_buf_puts(path, name);
    gw_buf_putc(path, '=');
    gw_ask_segment(path, value);
}
