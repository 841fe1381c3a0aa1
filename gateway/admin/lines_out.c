#include "admin/lines_out.h"

#include "admin/inside.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "net/http.h"
#include "net/loop.h"

#include <stdlib.h>

enum {
    MAX_OUTS = 64,
    PIECE = 64 << 10, /* then others have their turn */
    MAX_LINE = 64 << 20
};

static const struct gw_http_header head[] = {{{"content-type", 12}, {"application/x-ndjson", 20}}};

static void stop(struct gw_lines_out *o)
{
    if (o->lines)
        o->lines->close(o->lines);
    o->lines = NULL;
}

static void respond(struct gw_lines_out *o)
{
    if (!o->responded)
        gw_http_respond(o->s, 200, head, 1);
    o->responded = 1;
}

static void finish(struct gw_lines_out *o)
{
    stop(o);
    respond(o);
    gw_http_finish(o->s, NULL, 0);
}

/* Before the first line it is the answer; later it can only be the last line. */
static void fail(struct gw_lines_out *o, const struct gw_err *err)
{
    const int status = gw_status_of(err);
    struct gw_buf b;

    if (!o->responded) {
        stop(o);
        o->responded = 1;
        gw_answer_error(o->s, status, err->msg);
        return;
    }
    GW_DIAG(GW_WARN, "admin", gw_msg("an answer ends early"), gw_kv_str("path", o->s->path),
            gw_kv_cstr("error", err->msg));
    gw_buf_init(&b, 4096, o->s->mem);
    gw_put_error(&b, status, err->msg);
    gw_buf_putc(&b, '\n');
    gw_http_write(o->s, gw_buf_str(&b));
    finish(o);
}

static void pull(struct gw_lines_out *o)
{
    struct gw_err err = {0};
    struct gw_buf b;
    size_t whole = 0;
    int rc;

    gw_buf_init(&b, MAX_LINE, NULL);
    do {
        rc = o->lines->next(o->lines, &b, &err);
        if (rc == 1)
            whole = b.len;
    } while (rc == 1 && whole < PIECE);
    b.len = whole;
    o->waiting = rc == 2;
    if (b.len > 0 || rc == 2)
        respond(o);
    if (b.len > 0)
        gw_http_write(o->s, gw_buf_str(&b));
    gw_buf_free(&b);
    if (rc == 0)
        finish(o);
    else if (rc < 0)
        fail(o, &err);
}

void gw_lines_out_drained(struct gw_lines_out *o)
{
    if (o->lines && !o->waiting && gw_http_unsent(o->s) < PIECE)
        pull(o);
}

static void on_wake(struct gw_mail *m)
{
    struct gw_lines_out *o = GW_CONTAINER(m, struct gw_lines_out, wake);

    o->waiting = 0;
    gw_lines_out_drained(o);
}

struct gw_lines_out *gw_lines_out_new(struct gw_request *q)
{
    struct gw_lines_out *o;

    if (q->is_head) {
        gw_http_respond(q->s, 200, head, 1);
        gw_http_finish(q->s, NULL, 0);
        return NULL;
    }
    if (q->a->n_lines == MAX_OUTS) {
        gw_answer_error(q->s, 429, "too many answers of this kind are under way");
        return NULL;
    }
    o = calloc(1, sizeof(*o));
    if (!o)
        abort();
    *o = (struct gw_lines_out){.a = q->a, .s = q->s, .wake.fn = on_wake, .next = q->a->lines};
    if (o->next)
        o->next->prev = o;
    q->a->lines = o;
    q->a->n_lines++;
    q->s->user = o;
    return o;
}

void gw_lines_out_run(struct gw_lines_out *o, struct gw_lines *lines, const struct gw_err *err)
{
    o->lines = lines;
    if (lines)
        pull(o);
    else
        fail(o, err);
}

void gw_lines_out_free(struct gw_lines_out *o)
{
    stop(o);
    *(o->prev ? &o->prev->next : &o->a->lines) = o->next;
    if (o->next)
        o->next->prev = o->prev;
    o->a->n_lines--;
    free(o);
}

/* What is cut says so: else what is missing would be missing unseen. */
void gw_lines_out_end_all(struct gw_admin *a)
{
    struct gw_err err;

    gw_err_set(&err, GW_ERR_RETRY, "shutting down");
    for (struct gw_lines_out *o = a->lines; o; o = o->next)
        if (o->lines && o->lines->endless)
            finish(o);
        else if (o->lines)
            fail(o, &err);
}
