/* The scripts of one worker: keeps the Lua state in use, gives up one that was stopped, counts,
 * and ends what waits too long. */
#include "hook/hook.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/field.h"
#include "base/metrics.h"
#include "hook/chain.h"
#include "hook/flyte_ask.h"
#include "hook/hooks.h"
#include "hook/http.h"
#include "hook/rules.h"
#include "hook/shared.h"
#include "hook/sources.h"
#include "hook/style.h"
#include "hook/uses.h"
#include "hook/vm.h"
#include "hook/wait.h"
#include "net/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t now_ms(void)
{
    return gw_mono_ms();
}

int64_t (*gw_hook_now_ms)(void) = now_ms;

struct gw_hooks {
    struct gw_hooks_conf conf;
    struct gw_sources *sources; /* held; NULL: the disk */
    struct gw_hook_vm *vm;      /* NULL after a stop: the next start loads the scripts afresh */
    struct gw_hook_vm *states;  /* it and older ones in which hooks wait */
    int needs_vm;
    struct gw_hook_http *http;            /* NULL until a script asks */
    struct gw_flyte_client *flyte_client; /* held; NULL until a script asks, as the next */
    struct gw_flyte_asker *flyte;
    struct gw_waits waits;
    struct gw_timer timer; /* of the first deadline; its loop is NULL until something waits */
    int64_t timer_ms;      /* what it is set to; 0: it is not */
    struct {
        struct gw_histogram *seconds;
        struct gw_counter *errors;
    } * counts; /* by script of the vm; NULL entries: the rules */
    struct gw_counter *memory;
    int64_t memory_shown;
};

/* team.lua is counted as team. */
static void count_script(struct gw_hooks *h, size_t i, const struct gw_script *s)
{
    size_t len = strlen(s->name);
    char name[256];

    if (len > 4 && !strcmp(s->name + len - 4, ".lua"))
        len -= 4;
    snprintf(name, sizeof(name), "%.*s", (int)len, s->name);
    h->counts[i].seconds =
        gw_metrics_histogram(h->conf.metrics, GW_M_HOOK_SECONDS, h->conf.pipeline, name);
    h->counts[i].errors =
        gw_metrics_counter(h->conf.metrics, GW_M_HOOK_ERRORS, h->conf.pipeline, name);
}

static void open_counts(struct gw_hooks *h)
{
    h->counts = calloc(h->vm->n_scripts, sizeof(*h->counts));
    if (!h->counts)
        abort();
    if (!h->conf.metrics)
        return;
    h->memory = gw_metrics_counter(h->conf.metrics, GW_M_HOOK_MEMORY_BYTES, h->conf.pipeline, NULL);
    for (size_t i = 0; i < h->vm->n_scripts; i++)
        if (!gw_role_is_rules(h->vm->scripts[i].role))
            count_script(h, i, &h->vm->scripts[i]);
}

/* Workers of a pipeline share the gauge: each adds its own difference. */
static void show_memory(struct gw_hooks *h)
{
    int64_t now = gw_hooks_memory(h);

    if (!h->memory || now == h->memory_shown)
        return;
    gw_count(h->memory, now - h->memory_shown);
    h->memory_shown = now;
}

int64_t gw_hooks_clock(const struct gw_hooks *h)
{
    return h->conf.metrics ? gw_clock_mono_ns() : 0;
}

int64_t gw_hooks_measure(struct gw_hooks *h, size_t index, int64_t begin, int is_failure)
{
    int64_t now;

    if (!h->counts[index].seconds)
        return 0;
    now = gw_clock_mono_ns();
    gw_histogram_add(h->counts[index].seconds, now - begin);
    if (is_failure)
        gw_count(h->counts[index].errors, 1);
    return now;
}

static int needs_vm(const struct gw_hooks_conf *conf)
{
    return (conf->scripts && conf->scripts->n) || gw_rules_has(conf, GW_ROLE_RULES) ||
           gw_style_has_script(conf);
}

/* Takes the first reference of a state that is loaded. */
static void use(struct gw_hooks *h, struct gw_hook_vm *vm)
{
    vm->next = h->states;
    h->states = vm;
    h->vm = vm;
}

static void release(struct gw_hooks *h, struct gw_hook_vm *vm)
{
    struct gw_hook_vm **at = &h->states;

    if (!vm)
        return;
    while (vm->refs == 1 && *at != vm)
        at = &(*at)->next;
    if (vm->refs == 1)
        *at = vm->next;
    gw_vm_release(vm);
}

static struct gw_hooks *hooks_new(const struct gw_hooks_conf *conf)
{
    struct gw_hooks *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->conf = *conf;
    h->needs_vm = needs_vm(conf);
    return h;
}

/* With its first state; shared is held for it. */
static void begin(struct gw_hooks *h, struct gw_hook_vm *vm, struct gw_sources *sources)
{
    use(h, vm);
    h->sources = gw_sources_hold(sources);
    open_counts(h);
    show_memory(h);
}

struct gw_hooks *gw_hooks_open(const struct gw_hooks_conf *conf, struct gw_err *err)
{
    struct gw_hooks *h = hooks_new(conf);
    struct gw_hook_vm *vm;

    if (!h->needs_vm)
        return h;
    h->conf.shared = conf->shared ? gw_hook_shared_hold(conf->shared)
                                  : gw_hook_shared_new(conf->pipeline, conf->metrics);
    vm = gw_vm_open(&h->conf, conf->sources, err);
    if (!vm) {
        gw_hook_shared_drop(h->conf.shared);
        free(h);
        return NULL;
    }
    begin(h, vm, conf->sources);
    return h;
}

struct gw_hooks *gw_hooks_of(const struct gw_hooks_conf *conf, struct gw_hook_vm **vm)
{
    struct gw_hooks *h = hooks_new(conf);

    assert(h->needs_vm);
    h->conf.shared = gw_hook_shared_hold((*vm)->shared);
    begin(h, *vm, (*vm)->sources);
    *vm = NULL;
    return h;
}

struct gw_hook_vm *gw_hooks_load(const struct gw_hooks_conf *conf, struct gw_sources *sources,
                                 struct gw_err *err)
{
    return gw_vm_open(conf, sources, err);
}

void gw_hooks_unload(struct gw_hook_vm *vm)
{
    gw_vm_release(vm);
}

static void swap(struct gw_hooks *h, struct gw_hook_vm *vm, struct gw_sources *sources)
{
    struct gw_sources *before = h->sources;
    struct gw_hook_vm *old = h->vm;

    h->sources = gw_sources_hold(sources);
    gw_sources_drop(before);
    use(h, vm);
    release(h, old);
    show_memory(h);
}

/* States that were given up and in which hooks still wait hold memory: there are few of them. */
enum { OLD_STATES = 4 };

int gw_hooks_have_room(const struct gw_hooks *h)
{
    int n = 0;

    for (const struct gw_hook_vm *vm = h->states; vm; vm = vm->next)
        n++;
    return n < OLD_STATES;
}

void gw_hooks_swap(struct gw_hooks *h, struct gw_hook_vm **vm)
{
    assert(h->needs_vm);
    swap(h, *vm, (*vm)->sources);
    *vm = NULL;
}

int gw_hooks_reload(struct gw_hooks *h, struct gw_sources *sources, struct gw_err *err)
{
    struct gw_hook_vm *vm;

    if (!h->needs_vm)
        return 0;
    vm = gw_vm_open(&h->conf, sources, err);
    if (!vm)
        return -1;
    swap(h, vm, sources);
    return 0;
}

void gw_hooks_close(struct gw_hooks *h)
{
    struct gw_hook_run *r;

    if (!h)
        return;
    while ((r = h->waits.first)) {
        gw_waits_remove(&h->waits, r);
        gw_wait_end(r);
        gw_uses_end_run(r);
        release(h, r->vm);
    }
    release(h, h->vm);
    h->vm = NULL;
    assert(!h->states);
    show_memory(h);
    gw_sources_drop(h->sources);
    if (h->needs_vm)
        gw_hook_shared_drop(h->conf.shared);
    if (h->timer.loop)
        gw_timer_fini(&h->timer);
    gw_hook_http_free(h->http);
    gw_flyte_asker_free(h->flyte);
    gw_flyte_client_drop(h->flyte_client);
    free(h->counts);
    free(h);
}

/* Without a Lua state: the event as it is. */
static void pass_through(struct gw_hook_call *c)
{
    c->verdict = GW_HOOK_PUBLISH;
    c->n_events = 1;
    c->events = gw_arena_alloc(c->mem, sizeof(struct gw_event *));
    c->events[0] = c->event;
}

/* After a stop the scripts may fail to load: nothing is wrong with this event, so it waits. */
static void not_loaded(struct gw_hook_call *c, const struct gw_err *err)
{
    c->verdict = GW_HOOK_RETRY;
    snprintf(c->text, sizeof(c->text), "%s", err->msg);
}

static int load_afresh(struct gw_hooks *h, struct gw_err *err)
{
    struct gw_hook_vm *fresh;

    if (!gw_hooks_have_room(h))
        return gw_err_set(err, GW_ERR_RETRY,
                          "scripts were stopped or changed %d times while other hooks of theirs "
                          "wait: those end first",
                          OLD_STATES);
    fresh = gw_vm_open(&h->conf, h->sources, err);
    if (!fresh)
        return -1;
    use(h, fresh);
    return 0;
}

/* The state is broken: nothing that waits in it can go on, and none of it is at fault. */
static void give_up(struct gw_hooks *h, const struct gw_hook_vm *vm)
{
    struct gw_hook_run *r = h->waits.first;

    while (r) {
        struct gw_hook_call *c = r->call;

        if (r->vm != vm) {
            r = r->wait_next;
            continue;
        }
        gw_waits_remove(&h->waits, r);
        gw_wait_end(r);
        gw_uses_end_run(r);
        c->verdict = GW_HOOK_RETRY;
        c->bystander = 1;
        snprintf(c->text, sizeof(c->text),
                 "another hook had to be stopped in a way that ended the Lua state");
        release(h, r->vm);
        c->done(c);
        r = h->waits.first;
    }
}

static void finish(struct gw_hook_run *r)
{
    struct gw_hooks *h = r->hooks;
    struct gw_hook_call *c = r->call;

    gw_uses_end_run(r);
    c->stopped = r->stop != GW_STOP_NONE;
    if (c->stopped && h->vm == r->vm) {
        release(h, h->vm);
        h->vm = NULL;
    }
    if (r->vm->broken)
        give_up(h, r->vm);
    release(h, r->vm);
    show_memory(h);
    c->done(c);
}

void gw_hooks_start(struct gw_hooks *h, struct gw_hook_call *c)
{
    struct gw_hook_run *r;
    struct gw_err err;

    c->stopped = c->bystander = c->unmade = 0;
    c->text[0] = c->label[0] = '\0';
    c->reason = "";
    c->events = NULL;
    c->n_events = 0;
    c->unchanged = NULL;
    c->instructions = 0;
    c->run = NULL;
    if (h->needs_vm && !h->vm && load_afresh(h, &err)) {
        not_loaded(c, &err);
    } else if (!h->needs_vm) {
        pass_through(c);
    } else {
        assert(h->vm);
        r = gw_arena_alloc(c->mem, sizeof(*r));
        *r = (struct gw_hook_run){
            .vm = h->vm, .hooks = h, .call = c, .mem = c->mem, .text = c->text};
        c->run = r;
        h->vm->refs++;
        if (gw_chain_run(r))
            finish(r);
        else
            show_memory(h);
        return;
    }
    c->done(c);
}

void gw_hooks_go_on(struct gw_hook_run *r)
{
    struct gw_hooks *h = r->hooks;

    if (gw_chain_go_on(r))
        finish(r);
    else
        show_memory(h);
}

/* ---- time ---------------------------------------------------------------------------------- */

struct gw_loop *gw_hooks_loop(const struct gw_hooks *h)
{
    return h->conf.loop;
}

struct gw_hook_http *gw_hooks_http(struct gw_hooks *h)
{
    if (!h->http)
        h->http = gw_hook_http_new(
            &(struct gw_hook_http_conf){.loop = h->conf.loop, .limits = &h->conf.limits});
    return h->http;
}

struct gw_flyte_client *gw_hooks_flyte_client(struct gw_hooks *h)
{
    if (!h->flyte_client && h->conf.flyteadmin && h->conf.flyteadmin->address)
        h->flyte_client = gw_flyte_client_hold(h->conf.flyteadmin);
    return h->flyte_client;
}

struct gw_flyte_asker *gw_hooks_flyte(struct gw_hooks *h)
{
    if (!h->flyte)
        h->flyte = gw_flyte_asker_new(h->flyte_client, h->conf.loop);
    return h->flyte;
}

const struct gw_hook_outside *gw_hooks_outside(const struct gw_hooks *h)
{
    return h->conf.outside;
}

struct gw_waits *gw_hooks_waits(struct gw_hooks *h)
{
    return &h->waits;
}

int64_t gw_hooks_expire(struct gw_hooks *h)
{
    const int64_t now = gw_hook_now_ms();
    struct gw_hook_run *r;

    while ((r = h->waits.first) && r->until_ms <= now) {
        gw_waits_remove(&h->waits, r);
        gw_chain_expire(r);
        finish(r);
    }
    return r ? r->until_ms - now : -1;
}

static void on_time(struct gw_timer *t)
{
    struct gw_hooks *h = GW_CONTAINER(t, struct gw_hooks, timer);

    h->timer_ms = 0;
    gw_hooks_expire(h);
    gw_hooks_set_timer(h);
}

/* One that rings early finds nothing to do: what waits is mostly answered before its time. */
void gw_hooks_set_timer(struct gw_hooks *h)
{
    const struct gw_hook_run *r = h->waits.first;
    int64_t left;

    if (!r || (h->timer_ms && h->timer_ms <= r->until_ms))
        return;
    if (!h->timer.loop)
        gw_timer_init(&h->timer, h->conf.loop, on_time);
    h->timer_ms = r->until_ms;
    left = r->until_ms - gw_hook_now_ms();
    gw_timer_set(&h->timer, left > 0 ? left : 0);
}

int64_t gw_hooks_memory(const struct gw_hooks *h)
{
    int64_t sum = 0;

    for (const struct gw_hook_vm *vm = h->states; vm; vm = vm->next)
        sum += (int64_t)vm->memory;
    return sum;
}

int64_t gw_hooks_peak(struct gw_hooks *h)
{
    int64_t peak = h->vm ? (int64_t)h->vm->peak : 0;

    if (h->vm)
        h->vm->peak = h->vm->memory;
    return peak;
}

struct gw_hook_shared *gw_hooks_shared(const struct gw_hooks *h)
{
    return h->needs_vm ? h->conf.shared : NULL;
}
