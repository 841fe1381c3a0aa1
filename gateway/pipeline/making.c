/* From a record to its messages: decode, the event in the pipeline's style, the hooks, the
 * publisher's form. Hooks of one key start in the order of the log (W3); one that fails says what
 * becomes of its record. */
#include "pipeline/worker.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "pipeline/tap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { STOPS_MAX = 5 }; /* in a row: a script that cannot be let on with */

static void finish_call(struct gw_worker *w, struct gw_call *call);

/* ---- the event ---- */

static void add_extensions(const struct gw_strs *all, const struct gw_record *rec,
                           struct gw_event *ev)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct gw_str name = gw_str_of(all->items[i]);
        const struct gw_str value = name.p[0] == 't' ? rec->traceparent : rec->key;

        if (value.p && value.len && !gw_event_get(ev, name) && !gw_attr_text_problem(value))
            gw_event_lend(ev, name, value);
    }
}

const char *gw_event_make(const struct gw_style_conf *style, const struct gw_strs *extensions,
                          const struct gw_record *rec, struct gw_flyte_request *request,
                          struct gw_event *ev, struct gw_err *err)
{
    const int is_flyte = rec->kind != GW_OTHER;

    if (is_flyte ? gw_flyte_decode(ev->mem, (enum gw_kind)rec->kind, rec->payload, request, err)
                 : gw_event_protobuf_read_kept(ev, rec->payload, err))
        return "undecodable";
    if (is_flyte && gw_style_make(style, request, ev, err))
        return "invalid_event";
    add_extensions(extensions, rec, ev);
    return NULL;
}

enum gw_kind gw_event_kind(const struct gw_record *rec, const struct gw_event *ev)
{
    return rec->kind == GW_OTHER ? gw_flyte_carried(gw_event_text(ev, "type"))
                                 : (enum gw_kind)rec->kind;
}

int gw_event_facts(const struct gw_record *rec, const struct gw_event *ev,
                   struct gw_flyte_request *request, struct gw_flyte *flyte)
{
    if (rec->kind == GW_OTHER && !gw_flyte_from_event(ev, request))
        return 0;
    gw_flyte_facts(ev->mem, request, flyte);
    return 1;
}

/* NULL: it is dead now. */
static struct gw_event *make_event(struct gw_worker *w, struct gw_item *it)
{
    struct gw_event *ev = gw_arena_alloc(it->mem, sizeof(*ev));
    const char *reason;
    struct gw_err err;

    gw_event_init(ev, it->mem);
    it->event = NULL;
    reason = gw_event_make(&w->pipeline->style, &w->conf->format.extensions, &it->rec, &it->request,
                           ev, &err);
    if (reason) {
        gw_item_kill(w, it, reason, gw_event_text(ev, "id"), err.msg);
        return NULL;
    }
    it->is_flyte = (w->hooks || w->outbox.publisher->wants_flyte) &&
                   gw_event_facts(&it->rec, ev, &it->request, &it->flyte);
    it->event = ev;
    return ev;
}

/* ---- the messages ---- */

int gw_event_may_go(const struct gw_publisher_ops *to, int style, const struct gw_event *ev,
                    struct gw_err *err)
{
    return to->sourceless && style == GW_STYLE_FLYTEADMIN_V2 ? gw_event_check_but_source(ev, err)
                                                             : gw_event_check(ev, err);
}

static int format(struct gw_worker *w, struct gw_item *it, const struct gw_event *ev,
                  struct gw_out *o)
{
    struct gw_publisher *p = w->outbox.publisher;
    const struct gw_position at = it->rec.at;
    struct gw_err err;

    o->item = it;
    o->event = ev;
    o->m.key = it->rec.key;
    o->m.replay = w->pipeline->replay_number;
    if (!w->conf->unordered)
        o->m.order = it->rec.key_hash;
    else
        o->m.order = gw_hash64((struct gw_str){(const char *)&at, sizeof(at)}) + o->part;
    if ((w->hooks && gw_event_may_go(p->ops, w->conf->format.style, ev, &err)) ||
        p->ops->format(p, ev, it->is_flyte ? &it->flyte : NULL, it->mem, &o->m, &err)) {
        gw_item_kill(w, it, err.kind == GW_ERR_TOO_LARGE ? "too_large" : "invalid_event",
                     gw_event_text(ev, "id"), err.msg);
        return -1;
    }
    return 0;
}

/* All of them or none: a record of which one event cannot be sent is a dead letter whole. */
static void publish(struct gw_worker *w, struct gw_item *it, struct gw_event *const *events,
                    size_t n)
{
    struct gw_out *outs = gw_arena_zalloc(it->mem, n * sizeof(*outs));

    for (size_t i = 0; i < n; i++) {
        outs[i].part = (unsigned)i;
        if (format(w, it, events[i], &outs[i])) {
            gw_item_end(w, it);
            return;
        }
    }
    it->open = it->n_outs = n;
    it->outs = outs;
    it->end = GW_PUBLISHED;
    gw_window_measure(&w->window, it);
    for (size_t i = 0; i < n; i++)
        gw_outbox_put(&w->outbox, &outs[i]);
}

/* ---- the hooks ---- */

static void on_done(struct gw_hook_call *c)
{
    struct gw_call *call = (struct gw_call *)c;

    call->done = 1;
    if (call->inside)
        return;
    *(call->prev ? &call->prev->next : &call->worker->calls) = call->next;
    if (call->next)
        call->next->prev = call->prev;
    finish_call(call->worker, call);
    gw_worker_poke(call->worker);
}

static struct gw_call *take_call(struct gw_worker *w)
{
    struct gw_call *call = w->spare_calls;

    if (call) {
        w->spare_calls = call->next;
        return call;
    }
    call = malloc(sizeof(*call));
    if (!call)
        abort();
    return call;
}

static void free_calls(struct gw_call **list)
{
    struct gw_call *call;

    while ((call = *list)) {
        *list = call->next;
        free(call);
    }
}

void gw_calls_let_go(struct gw_worker *w)
{
    gw_hooks_close(w->hooks);
    w->hooks = NULL;
    free_calls(&w->calls);
    free_calls(&w->spare_calls);
}

static void start_hooks(struct gw_worker *w, struct gw_item *it, struct gw_event *ev)
{
    struct gw_call *call = take_call(w);
    struct gw_hook_call *c = &call->c;

    call->worker = w;
    call->item = it;
    call->inside = 1;
    call->done = 0;
    c->mem = it->mem;
    c->event = ev;
    c->request = it->is_flyte ? &it->request : NULL;
    c->flyte = it->is_flyte ? &it->flyte : NULL;
    c->received_at_ns = it->rec.received_at_ns;
    c->now_ns = 0;
    c->seed = gw_hash64((struct gw_str){(const char *)&it->rec.at, sizeof(it->rec.at)});
    c->kind = (int)gw_event_kind(&it->rec, ev);
    c->done = on_done;
    c->run = NULL;
    it->calls++;
    gw_hooks_start(w->hooks, c);
    call->inside = 0;
    if (call->done) {
        finish_call(w, call);
        return;
    }
    call->prev = NULL;
    call->next = w->calls;
    if (call->next)
        call->next->prev = call;
    w->calls = call;
    if (!w->conf->unordered)
        gw_window_hold(&w->window, it);
    gw_window_measure(&w->window, it);
}

/* ---- starting, now or later ---- */

/* Behind `at`; NULL: as the first. */
static void list_add(struct gw_item_list *l, struct gw_item *at, struct gw_item *it)
{
    it->due_prev = at;
    it->due_next = at ? at->due_next : l->first;
    *(it->due_prev ? &it->due_prev->due_next : &l->first) = it;
    *(it->due_next ? &it->due_next->due_prev : &l->last) = it;
}

static void list_remove(struct gw_item_list *l, struct gw_item *it)
{
    *(it->due_prev ? &it->due_prev->due_next : &l->first) = it->due_next;
    *(it->due_next ? &it->due_next->due_prev : &l->last) = it->due_prev;
}

static void list_remove_first(struct gw_item_list *l)
{
    list_remove(l, l->first);
}

static void start_later(struct gw_worker *w, struct gw_item *it, int64_t delay_ms)
{
    struct gw_item *at = w->due.last;

    if (!it->first_fail_ms)
        it->first_fail_ms = gw_mono_ms();
    if (!w->conf->unordered)
        gw_window_hold(&w->window, it);
    it->due_ms = gw_loop_now_ms(w->loop) + delay_ms;
    while (at && at->due_ms > it->due_ms)
        at = at->due_prev;
    list_add(&w->due, at, it);
    gw_worker_poke(w);
}

/* The hooks of an item have returned, or it needs none: the next of its key may start. */
static void let_go(struct gw_worker *w, struct gw_item *it)
{
    struct gw_item *next = gw_window_let_go(&w->window, it);

    if (!next)
        return;
    list_add(&w->startable, w->startable.last, next);
    gw_worker_poke(w);
}

static void run(struct gw_worker *w, struct gw_item *it)
{
    struct gw_event *ev = make_event(w, it);

    if (ev && w->hooks) {
        start_hooks(w, it, ev);
        return;
    }
    let_go(w, it);
    if (ev)
        publish(w, it, &ev, 1);
    else
        gw_item_end(w, it);
}

void gw_item_start(struct gw_worker *w, struct gw_item *it)
{
    if (w->hooks && !w->conf->unordered && gw_window_waits(&w->window, it))
        return;
    run(w, it);
}

void gw_items_run(struct gw_worker *w)
{
    struct gw_item *it;

    while ((it = w->due.first) && it->due_ms <= gw_loop_now_ms(w->loop)) {
        list_remove_first(&w->due);
        gw_window_renew(&w->window, it);
        run(w, it);
    }
    while (!w->block && (it = w->startable.first)) {
        list_remove_first(&w->startable);
        run(w, it);
    }
}

int64_t gw_items_next_ms(const struct gw_worker *w)
{
    int64_t ms;

    if (!w->due.first)
        return -1;
    ms = w->due.first->due_ms - gw_loop_now_ms(w->loop);
    return ms > 0 ? ms : 0;
}

void gw_items_resume(struct gw_worker *w)
{
    struct gw_item *it = w->due.first;

    while (it && it != w->block)
        it = it->due_next;
    if (!it)
        return;
    list_remove(&w->due, it);
    it->due_ms = 0;
    list_add(&w->due, NULL, it);
}

/* ---- what the hooks said ---- */

static void block(struct gw_worker *w, struct gw_item *it, const char *why)
{
    if (!w->block) {
        w->block = it;
        gw_worker_stand(w);
    }
    gw_worker_state(w, why);
    start_later(w, it, gw_worker_delay_ms(w, it->calls));
}

static void unblock(struct gw_worker *w, const struct gw_item *it)
{
    if (w->block != it)
        return;
    w->block = NULL;
    gw_worker_go_on(w);
}

/* The pipeline stands at this record: its conf says so, its scripts load no more, or they had to be
 * stopped too often (a replay goes on: its failures are looked at). */
static int stands(struct gw_worker *w, const struct gw_hook_call *c)
{
    if (c->stopped)
        w->stops++;
    else if (c->run && !c->bystander)
        w->stops = 0;
    if (c->verdict == GW_HOOK_RETRY)
        return !c->run;
    return c->verdict == GW_HOOK_FAILED && ((w->conf->on_hook_error == GW_BLOCK && !c->unmade) ||
                                            (w->stops >= STOPS_MAX && !w->pipeline->ends));
}

/* A dead letter has a line of its own. */
static void say_failed(struct gw_worker *w, const struct gw_hook_call *c, const char *becomes)
{
    enum { QUIET_MS = 100 };
    const uint64_t n = gw_diag_allow(&w->quiet, QUIET_MS);

    if (n)
        GW_DIAG(GW_WARN, w->pipeline->component, gw_msg("hook failed"),
                gw_kv_cstr("pipeline", w->conf->name), gw_kv_cstr("reason", c->reason),
                gw_kv_cstr("becomes", becomes),
                gw_kv_str("event", gw_event_text(c->unchanged, "id")), gw_kv_cstr("error", c->text),
                gw_kv_int("suppressed", (int64_t)n - 1));
}

static void hooks_failed(struct gw_worker *w, struct gw_item *it, const struct gw_hook_call *c)
{
    struct gw_event *before = c->unchanged;

    it->event = before;
    switch (c->unmade ? GW_DEAD_LETTER : (enum gw_on_hook_error)w->conf->on_hook_error) {
    case GW_PUBLISH_UNCHANGED:
        say_failed(w, c, "published unchanged");
        publish(w, it, &before, 1);
        return;
    case GW_DROP:
        say_failed(w, c, "dropped");
        gw_item_filtered(w, it, "hook_error", w->count.hook_error);
        return;
    case GW_DEAD_LETTER:
    case GW_BLOCK: /* stands() took it */
        gw_item_kill(w, it, c->reason, gw_event_text(before, "id"), c->text);
        gw_item_end(w, it);
    }
}

static void act(struct gw_worker *w, struct gw_item *it, const struct gw_hook_call *c)
{
    if (c->verdict == GW_HOOK_PUBLISH)
        publish(w, it, c->events, c->n_events);
    else if (c->verdict == GW_HOOK_FILTER)
        gw_item_filtered(w, it, c->label[0] ? c->label : c->reason,
                         c->label[0] ? gw_filter_counter(w->pipeline, c->label)
                         : strcmp(c->reason, "match") != 0 ? w->count.hook
                                                           : w->count.match);
    else
        hooks_failed(w, it, c);
}

static void retry_hooks(struct gw_worker *w, struct gw_item *it, const char *why)
{
    const int64_t limit = w->conf->retry.give_up_after_ms;

    if (limit && it->first_fail_ms && gw_mono_ms() - it->first_fail_ms >= limit) {
        let_go(w, it);
        gw_item_kill(w, it, "gave_up", gw_event_text(it->event, "id"), why);
        gw_item_end(w, it);
        return;
    }
    gw_worker_note(w, why);
    if (gw_is_watched(w->pipeline))
        gw_tap_again(w->pipeline, it, NULL, why);
    start_later(w, it, gw_worker_delay_ms(w, it->calls));
}

static void finish_call(struct gw_worker *w, struct gw_call *call)
{
    struct gw_item *it = call->item;
    const struct gw_hook_call *c = &call->c;

    if (stands(w, c)) {
        block(w, it, c->text);
    } else if (c->verdict == GW_HOOK_RETRY) {
        unblock(w, it);
        retry_hooks(w, it, c->text);
    } else {
        unblock(w, it);
        if (it->calls > 1)
            gw_worker_note(w, NULL);
        let_go(w, it);
        act(w, it, c);
    }
    call->next = w->spare_calls;
    w->spare_calls = call;
}
