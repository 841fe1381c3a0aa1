/* POST /api/reload: asks for it and answers when it is done. */
#include "admin/inside.h"
#include "admin/query.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/problems.h"
#include "net/http.h"
#include "net/loop.h"

#include <stdlib.h>

struct gw_wish {
    struct gw_reload reload;
    struct gw_admin *a;
    struct gw_http_stream *s; /* NULL: its request is gone */
    struct gw_wish *next;
};

static void put_problems(struct gw_buf *b, struct gw_arena *mem, const struct gw_reload *r)
{
    gw_buf_puts(b, ",\"problems\":[");
    for (size_t i = 0; i < r->n_problems; i++) {
        const struct gw_problem *p = &r->problems[i];
        const char *level = gw_problem_level(p);

        if (i > 0)
            gw_buf_putc(b, ',');
        gw_json_put_string(b, p->file ? gw_arena_printf(mem, "%s:%d:%d: %s: %s", p->file, p->line,
                                                        p->column, level, p->text)
                                      : gw_arena_printf(mem, "%s: %s", level, p->text));
    }
    gw_buf_putc(b, ']');
}

static void put_count(struct gw_buf *b, const char *name, size_t n)
{
    gw_buf_printf(b, ",\"%s\":%zu", name, n);
}

static void answer_done(struct gw_http_stream *s, const struct gw_reload *r)
{
    struct gw_buf b;

    gw_buf_init(&b, GW_MAX_ANSWER, s->mem);
    gw_buf_puts(&b, "{\"reloaded\":true");
    put_count(&b, "added", r->added);
    put_count(&b, "removed", r->removed);
    put_count(&b, "changed", r->changed);
    put_count(&b, "unchanged", r->unchanged);
    put_count(&b, "failed", r->failed);
    gw_buf_puts(&b, ",\"restart_needed\":[");
    for (size_t i = 0; i < r->n_restart_needed; i++)
        gw_buf_printf(&b, "%s\"%s\"", i ? "," : "", r->restart_needed[i]);
    gw_buf_putc(&b, ']');
    put_problems(&b, s->mem, r);
    gw_buf_puts(&b, "}\n");
    gw_answer_json(s, 200, &b);
}

static void answer_refused(struct gw_http_stream *s, const struct gw_reload *r)
{
    struct gw_buf b;

    gw_buf_init(&b, GW_MAX_ANSWER, s->mem);
    gw_put_error(&b, 400, r->message);
    b.len--; /* its } */
    put_problems(&b, s->mem, r);
    gw_buf_puts(&b, "}\n");
    gw_answer_json(s, 400, &b);
}

static void on_done(struct gw_reload *r)
{
    struct gw_wish *w = GW_CONTAINER(r, struct gw_wish, reload), **at = &w->a->wishes;

    if (w->s && r->reloaded)
        answer_done(w->s, r);
    else if (w->s && r->n_problems > 0)
        answer_refused(w->s, r);
    else if (w->s)
        gw_answer_error(w->s, 503, r->message);
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    free(w);
}

void gw_post_reload(struct gw_request *q)
{
    struct gw_param none[] = {{0}};
    struct gw_wish *w;

    if (gw_request_params(q, none))
        return;
    w = calloc(1, sizeof(*w));
    if (!w)
        abort();
    w->reload.done = on_done;
    w->a = q->a;
    w->s = q->s;
    w->next = q->a->wishes;
    q->a->wishes = w;
    q->a->env.control->reload(q->a->env.ctx, &w->reload);
}

void gw_wishes_gone(struct gw_admin *a, const struct gw_http_stream *s)
{
    for (struct gw_wish *w = a->wishes; w; w = w->next)
        if (w->s == s)
            w->s = NULL;
}
