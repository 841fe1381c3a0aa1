/* POST /api/log/forget: waits for a commit, so it is done aside, on a thread of its own. */
#include "admin/inside.h"
#include "admin/query.h"

#include "base/buf.h"
#include "base/err.h"
#include "log/log.h"
#include "net/http.h"
#include "net/loop.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct gw_forget {
    struct gw_forget *next;
    struct gw_admin *a;
    struct gw_http_stream *s; /* NULL: its request is gone */
    struct gw_mail done;
    pthread_t thread;
    char name[64];
    int rc;
    struct gw_err err;
};

static void *forget(void *arg)
{
    struct gw_forget *f = arg;

    f->rc = gw_log_forget(f->a->env.log, f->name, &f->err);
    gw_loop_post_mail(f->a->loop, &f->done);
    return NULL;
}

static void answer(struct gw_forget *f)
{
    struct gw_buf b;

    if (f->rc) {
        gw_answer_error(f->s, f->err.kind == GW_ERR_REJECT ? 409 : gw_status_of(&f->err),
                        f->err.msg);
        return;
    }
    gw_buf_init(&b, 256, f->s->mem);
    gw_buf_puts(&b, "{\"forgotten\":\"");
    gw_buf_puts(&b, f->name); /* [a-z0-9_-] */
    gw_buf_puts(&b, "\"}\n");
    gw_answer_json(f->s, 200, &b);
}

static void on_done(struct gw_mail *m)
{
    struct gw_forget *f = GW_CONTAINER(m, struct gw_forget, done), **at = &f->a->forgets;

    pthread_join(f->thread, NULL);
    if (f->s)
        answer(f);
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    free(f);
}

void gw_post_forget(struct gw_request *q)
{
    struct gw_param params[] = {{.name = "pipeline"}, {0}};
    struct gw_forget *f;

    if (gw_request_params(q, params))
        return;
    if (!params[0].value) {
        gw_answer_error(q->s, 400, "pipeline: whose cursor and dead letters?");
        return;
    }
    if (strlen(params[0].value) >= sizeof(f->name)) { /* cut, it might be another's */
        gw_answer_error(q->s, 409, "no cursor has so long a name");
        return;
    }
    f = calloc(1, sizeof(*f));
    if (!f)
        abort();
    f->a = q->a;
    f->s = q->s;
    f->done.fn = on_done;
    (void)snprintf(f->name, sizeof(f->name), "%s", params[0].value);
    if (pthread_create(&f->thread, NULL, forget, f)) {
        free(f);
        gw_answer_error(q->s, 503, "cannot start a thread");
        return;
    }
    f->next = q->a->forgets;
    q->a->forgets = f;
}

void gw_forgets_gone(struct gw_admin *a, const struct gw_http_stream *s)
{
    for (struct gw_forget *f = a->forgets; f; f = f->next)
        if (f->s == s)
            f->s = NULL;
}

void gw_forgets_end(struct gw_admin *a)
{
    while (a->forgets)
        gw_loop_turn(a->loop, 1);
}
