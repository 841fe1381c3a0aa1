/* The order of a record's hooks, and what they return (lua-api: "What a hook returns"). Results
 * are read with calls that cannot raise. */
#include "hook/chain.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/text.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/api.h"
#include "hook/explain.h"
#include "hook/hooks.h"
#include "hook/vm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum next { GO_ON, STOP, WAIT };

static enum next failed_by(struct gw_hook_run *r, enum gw_hook_stop why)
{
    static const char *const reasons[] = {"hook_error", "hook_budget", "hook_memory",
                                          "hook_timeout"};

    r->call->verdict = GW_HOOK_FAILED;
    r->call->reason = reasons[why];
    r->call->unchanged = r->unchanged;
    r->call->unmade = r->script && r->script->role == GW_ROLE_STYLE;
    if (r->call->unmade && why == GW_STOP_NONE)
        r->call->reason = "invalid_event";
    return STOP;
}

static enum next failed(struct gw_hook_run *r)
{
    return failed_by(r, r->stop);
}

static enum next wrong(struct gw_hook_run *r, const char *what)
{
    gw_explain_result(r, what);
    return failed(r);
}

static void add(struct gw_hook_run *r, struct gw_hook_item *it)
{
    if (r->n_next == r->cap_next) {
        size_t cap = r->cap_next ? 2 * r->cap_next : 2;
        struct gw_hook_item **grown =
            gw_arena_alloc(r->call->mem, cap * sizeof(struct gw_hook_item *));

        if (r->n_next)
            memcpy(grown, r->next, r->n_next * sizeof(struct gw_hook_item *));
        r->next = grown;
        r->cap_next = cap;
    }
    r->next[r->n_next++] = it;
}

static int by_identity(const void *a, const void *b)
{
    static const char *const names[] = {"id", "source"};
    const struct gw_event *x = (*(struct gw_hook_item *const *)a)->ev;
    const struct gw_event *y = (*(struct gw_hook_item *const *)b)->ev;

    for (int i = 0; i < 2; i++) {
        struct gw_str s = gw_event_text(x, names[i]), t = gw_event_text(y, names[i]);
        int c = memcmp(s.p, t.p, s.len < t.len ? s.len : t.len);

        if (c || s.len != t.len)
            return c ? c : s.len < t.len ? -1 : 1;
    }
    return 0;
}

/* Two of n events with equal source and id: one of them, else NULL. */
static const struct gw_hook_item *twice(struct gw_arena *mem, struct gw_hook_item *const *items,
                                        size_t n)
{
    struct gw_hook_item **sorted;

    if (n < 2)
        return NULL;
    sorted = gw_arena_alloc(mem, n * sizeof(struct gw_hook_item *));
    memcpy(sorted, items, n * sizeof(struct gw_hook_item *));
    qsort(sorted, n, sizeof(struct gw_hook_item *), by_identity);
    for (size_t i = 1; i < n; i++)
        if (!by_identity(&sorted[i - 1], &sorted[i]))
            return sorted[i];
    return NULL;
}

static enum next equal(struct gw_hook_run *r, const struct gw_hook_item *it)
{
    char what[300], shown[GW_SHOWN];

    snprintf(what, sizeof(what),
             "two events with the same source and id %s (moongate.copy makes ids of its own)",
             gw_show_str(gw_event_text(it->ev, "id"), shown));
    return wrong(r, what);
}

/* The event of this call that stands at idx, NULL if it is none. */
static struct gw_hook_item *event_at(const struct gw_hook_run *r, lua_State *co, int idx)
{
    const struct gw_handle *h = lua_type(co, idx) == LUA_TUSERDATA ? lua_touserdata(co, idx) : NULL;

    return h && h->type == GW_H_EVENT && h->serial == r->serial ? h->p : NULL;
}

/* What stands at idx in place of one. */
static const char *show_other(lua_State *co, int idx, char shown[GW_SHOWN])
{
    const struct gw_handle *h = lua_type(co, idx) == LUA_TUSERDATA ? lua_touserdata(co, idx) : NULL;

    if (h && h->type == GW_H_EVENT)
        return "an event used after its hook returned";
    return gw_show(co, idx, shown);
}

/* The table on top is a list of n: it has n members. */
static int is_list(lua_State *co, size_t n)
{
    size_t members = 0;
    int top = lua_gettop(co);

    lua_pushnil(co);
    while (members <= n && lua_next(co, top)) {
        lua_settop(co, top + 1);
        members++;
    }
    lua_settop(co, top);
    return members == n;
}

static enum next read_list(struct gw_hook_run *r)
{
    lua_State *co = r->co;
    size_t n = lua_rawlen(co, -1), first = r->n_next;
    char what[160], shown[GW_SHOWN];
    const struct gw_hook_item *same;

    if (!is_list(co, n))
        return wrong(r, "a hook returned a table that is no list of events {e1, e2, …}");
    for (size_t i = 1; i <= n; i++) {
        struct gw_hook_item *it;

        lua_rawgeti(co, -1, (lua_Integer)i);
        it = event_at(r, co, -1);
        if (!it) {
            snprintf(what, sizeof(what), "a hook returned a list whose item %zu is no event: %s", i,
                     show_other(co, -1, shown));
            return wrong(r, what);
        }
        lua_pop(co, 1);
        add(r, it);
    }
    if (!n) {
        r->call->reason = "hook";
        r->call->label[0] = '\0';
    }
    same = n ? twice(r->call->mem, r->next + first, n) : NULL;
    return same ? equal(r, same) : GO_ON;
}

/* At most 64 bytes of it, for the metric: what would look the same there is the same. */
static void put_label(struct gw_hook_call *c, struct gw_str s)
{
    size_t n = s.len < sizeof(c->label) ? s.len : sizeof(c->label) - 1;

    while (n < s.len && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0, step; i < n; i += step) {
        step = gw_utf8_step(s.p + i, n - i);
        if (!step)
            c->label[i] = '?';
        else if (step == 1 && ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f))
            c->label[i] = ' ';
        else
            memcpy(c->label + i, s.p + i, step);
        step += !step;
    }
    c->label[n] = '\0';
}

/* A hook's false is on the stack at `first`, perhaps a reason behind it. */
static enum next read_false(struct gw_hook_run *r, int first)
{
    lua_State *co = r->co;
    char shown[GW_SHOWN], what[160];
    struct gw_str s;

    r->call->label[0] = '\0';
    r->call->reason = gw_role_is_rules(r->script->role) ? "match" : "hook";
    if (gw_role_is_rules(r->script->role) || lua_isnoneornil(co, first + 1))
        return GO_ON;
    if (lua_type(co, first + 1) != LUA_TSTRING) {
        snprintf(what, sizeof(what), "a hook returned false with a reason that is no string: %s",
                 gw_show(co, first + 1, shown));
        return wrong(r, what);
    }
    s.p = lua_tolstring(co, first + 1, &s.len);
    put_label(r->call, s);
    return GO_ON;
}

static enum next read_retry(struct gw_hook_run *r, int first)
{
    char shown[GW_SHOWN], what[160];

    if (!lua_isnoneornil(r->co, first + 1) && lua_type(r->co, first + 1) != LUA_TSTRING) {
        snprintf(what, sizeof(what),
                 "a hook returned moongate.retry with a message that is no string: %s",
                 gw_show(r->co, first + 1, shown));
        return wrong(r, what);
    }
    r->call->verdict = GW_HOOK_RETRY;
    if (lua_isnoneornil(r->co, first + 1))
        gw_explain_result(r, "the hook asked for a retry");
    else
        gw_explain_plain(r, lua_tostring(r->co, first + 1));
    return STOP;
}

static enum next read_nil(struct gw_hook_run *r, int first)
{
    char shown[2 * GW_SHOWN];

    if (!lua_isnoneornil(r->co, first + 1))
        return wrong(r, gw_error_text(r->co, first + 1, shown, sizeof(shown)));
    add(r, r->item);
    return GO_ON;
}

static enum next read_other(struct gw_hook_run *r, int first)
{
    char what[200], shown[GW_SHOWN];

    if (lua_type(r->co, first) == LUA_TLIGHTUSERDATA &&
        lua_touserdata(r->co, first) == &gw_retry_key)
        return read_retry(r, first);
    if (event_at(r, r->co, first) == r->item) {
        add(r, r->item);
        return GO_ON;
    }
    if (event_at(r, r->co, first))
        return wrong(r, "a hook returned an event that is not its own (in a list it would do: "
                        "return {copy})");
    snprintf(what, sizeof(what),
             "a hook returned %s; it returns nothing, true, its event, false and a reason, "
             "moongate.retry or a list of events",
             show_other(r->co, first, shown));
    return wrong(r, what);
}

static enum next read_results(struct gw_hook_run *r, int n)
{
    int first = lua_gettop(r->co) - n + 1;

    switch (lua_type(r->co, first)) {
    case LUA_TNONE:
    case LUA_TNIL:
        return read_nil(r, first);
    case LUA_TBOOLEAN:
        if (!lua_toboolean(r->co, first))
            return read_false(r, first);
        add(r, r->item);
        return GO_ON;
    case LUA_TTABLE:
        lua_settop(r->co, first);
        return read_list(r);
    default:
        return read_other(r, first);
    }
}

/* The request may have changed under the events that carry it. */
static enum next settle(struct gw_hook_run *r, size_t from)
{
    struct gw_err err;

    for (size_t i = from; i < r->n_next; i++)
        if (gw_item_settle(r, r->next[i], &err))
            return wrong(r, err.msg);
    return GO_ON;
}

/* The script that was called has returned or failed. */
static enum next called(struct gw_hook_run *r, int status, int n)
{
    enum next next = status == LUA_OK ? read_results(r, n) : STOP;

    if (next == GO_ON)
        next = settle(r, r->before);
    gw_vm_end(r, status);
    if (status != LUA_OK)
        failed(r);
    r->begin_ns = gw_hooks_measure(r->hooks, r->index, r->begin_ns,
                                   next == STOP && r->call->verdict == GW_HOOK_FAILED);
    return next;
}

/* One script on one event. */
static enum next call(struct gw_hook_run *r)
{
    int n, status;

    r->item = r->items[r->at];
    r->before = r->n_next;
    if (!r->begin_ns)
        r->begin_ns = gw_hooks_clock(r->hooks);
    status = gw_vm_call(r, &n);
    return status == LUA_YIELD ? WAIT : called(r, status, n);
}

/* The style's script makes what gw_style_make has begun: no event that came as one. */
static int is_for(const struct gw_script *s, const struct gw_hook_call *c)
{
    if (s->role == GW_ROLE_STYLE && (!c->request || c->request->form != GW_CARRY_STYLE))
        return 0;
    return (s->kinds & 1U << (unsigned)c->kind) != 0;
}

/* 0: script r->index is not for this kind of event. */
static int begin_pass(struct gw_hook_run *r)
{
    const struct gw_script *s = &r->vm->scripts[r->index];

    /* Rules may fail too; a hook's error leaves what they made. */
    if (r->index == 0 || (s->role == GW_ROLE_HOOK && s[-1].role != GW_ROLE_HOOK))
        r->unchanged = gw_event_copy(r->items[0]->ev, r->call->mem);
    if (!is_for(s, r->call))
        return 0;
    r->next = NULL;
    r->n_next = r->cap_next = r->at = 0;
    return 1;
}

/* The style's event is there. What it took is none of the hooks' memory. */
static void made(struct gw_hook_run *r)
{
    r->mem_before = gw_arena_size(r->call->mem);
    gw_vm_collect(r->vm);
}

/* Script r->index on every event there is, from r->at on. */
static enum next pass(struct gw_hook_run *r)
{
    for (; r->at < r->n_items; r->at++) {
        enum next next = call(r);

        if (next != GO_ON)
            return next;
    }
    r->items = r->next;
    r->n_items = r->n_next;
    if (r->vm->scripts[r->index].role == GW_ROLE_STYLE)
        made(r);
    if (r->n_items)
        return GO_ON;
    r->call->verdict = GW_HOOK_FILTER;
    return STOP;
}

/* Every event is legal by itself: what a hook sets is checked when it is set. */
static void publish(struct gw_hook_run *r)
{
    struct gw_hook_call *c = r->call;
    const struct gw_hook_item *same = twice(c->mem, r->items, r->n_items);

    if (same) {
        r->item = r->items[0];
        equal(r, same);
        return;
    }
    c->verdict = GW_HOOK_PUBLISH;
    c->n_events = r->n_items;
    c->events = gw_arena_alloc(c->mem, c->n_events * sizeof(struct gw_event *));
    for (size_t i = 0; i < c->n_events; i++)
        c->events[i] = r->items[i]->ev;
}

/* From where the run stands. */
static int go_on(struct gw_hook_run *r, int in_pass)
{
    for (; r->index < r->vm->n_scripts; r->index++) {
        enum next next = in_pass || begin_pass(r) ? pass(r) : GO_ON;

        if (next != GO_ON)
            return next == STOP;
        in_pass = 0;
    }
    publish(r);
    return 1;
}

int gw_chain_run(struct gw_hook_run *r)
{
    struct gw_hook_item *first = gw_arena_alloc(r->call->mem, sizeof(*first));

    *first = (struct gw_hook_item){.ev = r->call->event, .follows = r->call->request != NULL};
    r->mem_before = gw_arena_size(r->call->mem);
    r->items = gw_arena_alloc(r->call->mem, sizeof(struct gw_hook_item *));
    r->items[0] = first;
    r->n_items = 1;
    r->index = 0;
    return go_on(r, 0);
}

int gw_chain_go_on(struct gw_hook_run *r)
{
    int n, status = gw_vm_go_on(r, &n);

    if (status == LUA_YIELD)
        return 0;
    if (called(r, status, n) == STOP)
        return 1;
    r->at++;
    return go_on(r, 1);
}

void gw_chain_expire(struct gw_hook_run *r)
{
    gw_vm_expire(r);
    failed_by(r, GW_STOP_TIMEOUT);
    gw_hooks_measure(r->hooks, r->index, r->begin_ns, 1);
    if (r->script->role != GW_ROLE_STYLE)
        return;
    r->call->verdict = GW_HOOK_RETRY; /* FlyteAdmin is there and does not answer */
    r->call->unmade = 0;
    snprintf(r->call->text, sizeof(r->call->text), "FlyteAdmin gave no answer within %lld ms",
             (long long)r->limits->timeout_ms);
}
