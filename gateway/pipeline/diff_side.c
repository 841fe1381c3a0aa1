/* What one record becomes under one configuration: the event, its hooks, and what their failure
 * makes of it. Nothing is formatted or sent. */
#include "pipeline/diff_side.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "event/event.h"
#include "net/loop.h"
#include "pipeline/worker.h"

#include <string.h>

static void fail(struct gw_diff_side *s, const char *why, const char *error)
{
    s->end = GW_DIFF_SIDE_FAILED;
    s->why = why;
    s->error = error;
}

static void filter(struct gw_diff_side *s, const char *why)
{
    s->end = GW_DIFF_SIDE_FILTERED;
    s->why = why;
}

static void publish(struct gw_diff_side *s, struct gw_event **events, size_t n)
{
    const struct gw_publisher_ops *to = gw_publisher_find(s->conf->publisher.type);
    struct gw_err err;

    s->end = GW_DIFF_SIDE_PUBLISHED;
    s->events = events;
    s->n = n;
    for (size_t i = 0; s->hooks && i < n; i++)
        if (gw_event_may_go(to, s->conf->format.style, events[i], &err)) {
            fail(s, "invalid_event", gw_arena_strndup(s->mem, err.msg, strlen(err.msg)));
            return;
        }
}

static void hooks_failed(struct gw_diff_side *s)
{
    struct gw_hook_call *c = &s->call;

    if (!c->unmade && s->conf->on_hook_error == GW_PUBLISH_UNCHANGED)
        publish(s, &c->unchanged, 1);
    else if (!c->unmade && s->conf->on_hook_error == GW_DROP)
        filter(s, "hook_error");
    else
        fail(s, c->reason, c->text);
}

static void on_done(struct gw_hook_call *c)
{
    GW_CONTAINER(c, struct gw_diff_side, call)->done = 1;
}

/* -1: the scripts did not load again after a stop. */
static int run_hooks(struct gw_diff_side *s, const struct gw_record *rec, struct gw_event *ev,
                     int64_t now_ns, struct gw_err *err)
{
    struct gw_hook_call *c = &s->call;
    const int is_flyte = gw_event_facts(rec, ev, &s->request, &s->flyte);

    *c = (struct gw_hook_call){
        .mem = s->mem,
        .event = ev,
        .request = is_flyte ? &s->request : NULL,
        .flyte = is_flyte ? &s->flyte : NULL,
        .received_at_ns = rec->received_at_ns,
        .now_ns = now_ns,
        .seed = gw_hash64((struct gw_str){(const char *)&rec->at, sizeof(rec->at)}),
        .kind = (int)gw_event_kind(rec, ev),
        .done = on_done};
    s->done = 0;
    gw_hooks_start(s->hooks, c);
    while (!s->done)
        gw_loop_turn(s->loop, 1);
    if (c->verdict == GW_HOOK_PUBLISH)
        publish(s, c->events, c->n_events);
    else if (c->verdict == GW_HOOK_FILTER)
        filter(s, c->label[0] ? c->label : c->reason);
    else if (c->verdict == GW_HOOK_FAILED)
        hooks_failed(s);
    else if (c->run)
        fail(s, "retry", c->text);
    else
        return gw_err_set(err, GW_ERR_REJECT, "%s", c->text);
    return 0;
}

int gw_diff_run(struct gw_diff_side *s, const struct gw_record *rec, int64_t now_ns,
                struct gw_err *err)
{
    struct gw_event *ev, **one;
    const char *reason;
    struct gw_err why;

    gw_arena_reset(s->mem);
    s->events = NULL;
    s->n = 0;
    s->id = (struct gw_str){0};
    if (rec->damaged) {
        fail(s, "undecodable", "the record is damaged");
        return 0;
    }
    if (!gw_pipeline_takes(s->conf, rec)) {
        filter(s, "event_types");
        return 0;
    }
    ev = gw_arena_alloc(s->mem, sizeof(*ev));
    gw_event_init(ev, s->mem);
    reason = gw_event_make(&s->style, &s->conf->format.extensions, rec, &s->request, ev, &why);
    s->id = gw_event_text(ev, "id");
    if (reason) {
        fail(s, reason, gw_arena_strndup(s->mem, why.msg, strlen(why.msg)));
        return 0;
    }
    if (s->hooks)
        return run_hooks(s, rec, ev, now_ns, err);
    one = gw_arena_alloc(s->mem, sizeof(struct gw_event *));
    *one = ev;
    publish(s, one, 1);
    return 0;
}

int gw_diff_side_open(struct gw_diff_side *s, const struct gw_pipeline_conf *conf,
                      struct gw_err *err)
{
    s->conf = conf;
    s->style = gw_style_conf_of(conf);
    s->mem = gw_arena_new();
    if (!gw_wants_hooks(conf))
        return 0;
    s->loop = gw_loop_new();
    s->hooks_conf = gw_hooks_conf_of(conf, &s->style);
    s->hooks_conf.loop = s->loop;
    s->hooks = gw_hooks_open(&s->hooks_conf, err);
    return s->hooks ? 0 : -1;
}

void gw_diff_side_close(struct gw_diff_side *s)
{
    gw_hooks_close(s->hooks);
    gw_loop_free(s->loop);
    gw_arena_free(s->mem);
}
