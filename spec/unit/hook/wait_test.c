/* Hooks that wait: many at once, the ends a wait can have, and what belongs to whom meanwhile. The
 * function `wait` of these scripts is the test's own; the test says when its answer is there. */
#include "hook/wait.h"

#include "base/buf.h"
#include "base/metrics.h"
#include "hook/world.h"
#include "net/loop.h"

#include <stdlib.h>

struct pending {
    struct gw_wait wait;
    struct calls *all;
    int open, ended;
    long answer;
};

/* One call of many. */
struct one {
    struct gw_hook_call c; /* first */
    struct calls *all;
    struct gw_arena *mem;
    struct gw_event ev;
    int dones;
};

struct calls {
    struct world w;
    struct gw_loop *loop;
    struct one one[1200];
    struct pending pending[2400];
    size_t n, n_pending;
    int open;
};

static struct calls *all;
static int64_t now;
static int ticking; /* a millisecond passes from one look to the next */
static int has_loop = 1;
static int64_t timeout_ms = 5000, instructions = 1000000;

static int64_t fake_now(void)
{
    return now += ticking;
}

static void on_end(struct gw_wait *w)
{
    struct pending *p = (struct pending *)w;

    CHECK(!p->ended);
    p->ended = 1;
    p->open = 0;
    p->all->open--;
}

static int answered(lua_State *L, int status, lua_KContext i)
{
    CHECK(status == LUA_YIELD);
    lua_pushinteger(L, all->pending[i].answer);
    return 1;
}

/* wait(): what the test answers. */
static int lua_wait(lua_State *L)
{
    struct pending *p = &all->pending[all->n_pending];

    if (!gw_wait_check(L, "wait")) {
        lua_pushnil(L);
        return 1;
    }
    p->all = all;
    p->open = 1;
    all->open++;
    return gw_wait(L, &p->wait, on_end, answered, (lua_KContext)all->n_pending++);
}

static void answer(size_t i, long value)
{
    all->pending[i].answer = value;
    gw_wait_over(&all->pending[i].wait);
}

static void on_done(struct gw_hook_call *c)
{
    ((struct one *)c)->dones++;
}

static struct one *start(const char *id)
{
    struct one *o = &all->one[all->n++];

    o->all = all;
    o->mem = gw_arena_new();
    gw_event_init(&o->ev, o->mem);
    gw_event_set(&o->ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(&o->ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&o->ev, GW_STR("type"), GW_STR("t"));
    o->c = (struct gw_hook_call){
        .mem = o->mem, .event = &o->ev, .kind = GW_OTHER, .seed = all->n, .done = on_done};
    gw_hooks_start(all->w.hooks, &o->c);
    return o;
}

/* Scripts have a local `wait` that is nil until the first call, which returns at once. */
static void lend_wait(void)
{
    struct one *o = start("first");
    struct gw_hook_vm *vm = o->c.run->vm;

    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH);
    for (size_t i = 0; i < vm->n_scripts; i++) {
        lua_rawgetp(vm->L, LUA_REGISTRYINDEX, &vm->scripts[i]);
        for (int n = 1;; n++) {
            const char *name = lua_getupvalue(vm->L, -1, n);

            if (!name)
                break;
            lua_pop(vm->L, 1);
            if (!strcmp(name, "wait")) {
                lua_pushcfunction(vm->L, lua_wait);
                lua_setupvalue(vm->L, -2, n);
            }
        }
        lua_pop(vm->L, 1);
    }
}

static void open_calls(const char *const *scripts, size_t n)
{
    all = calloc(1, sizeof(*all));
    CHECK(all);
    world_init(&all->w);
    all->loop = gw_loop_new();
    all->w.conf.loop = has_loop ? all->loop : NULL;
    all->w.conf.limits.timeout_ms = timeout_ms;
    all->w.conf.limits.instructions = instructions;
    for (size_t i = 0; i < n; i++) {
        char name[] = "a.lua";
        struct gw_buf b;

        name[0] = (char)('a' + i);
        gw_buf_init(&b, 65536, all->w.mem);
        gw_buf_printf(&b,
                      "local m, wait = require 'moongate' return function(event)\n"
                      "if not wait then return end\n%s\nend",
                      scripts[i]);
        gw_buf_putc(&b, '\0');
        world_script(&all->w, gw_arena_strndup(all->w.mem, name, 5), b.p);
    }
    world_open(&all->w);
    lend_wait();
}

static void open_one(const char *script)
{
    open_calls(&script, 1);
}

static void close_calls(void)
{
    gw_hooks_close(all->w.hooks);
    CHECK(all->open == 0);
    for (size_t i = 0; i < all->n; i++)
        gw_arena_free(all->one[i].mem);
    gw_arena_free(all->w.mem);
    gw_loop_free(all->loop);
    free(all);
}

static int has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "%s\n  does not have %s\n", text, part);
    return strstr(text, part) != NULL;
}

static long number(const struct one *o, const char *name)
{
    const struct gw_attr *a = gw_event_get(&o->ev, gw_str_of(name));

    return a ? (long)a->number : -1;
}

TEST(test_wait_a_hook_goes_on_with_its_answer)
{
    struct one *o;

    open_one("event.before = 1 event.got = wait() event.after = event.before + 1");
    o = start("e1");
    CHECK(o->dones == 0 && all->open == 1 && number(o, "before") == 1);
    answer(0, 7);
    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH && all->open == 0);
    CHECK(number(o, "got") == 7 && number(o, "after") == 2);
    close_calls();
}

/* Each keeps its own event, handles, stack and count of calls; answers come in a wild order. */
TEST(test_wait_a_thousand_hooks_interleaved)
{
    enum { N = 1000 };
    char id[32];

    open_one("local mine, u = event.id, m.uuid()\n"
             "local a = wait() event.a = a\n"
             "local b = wait() event.b = b\n"
             "assert(event.id == mine and m.uuid() ~= u) event.id = mine .. '!'");
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof(id), "e%d", i);
        start(id);
    }
    CHECK(all->open == N);
    for (size_t i = 0; i < N; i++)
        answer((i * 389) % N, (long)((i * 389) % N));
    CHECK(all->open == N && all->n_pending == 2 * N);
    for (size_t i = N; i < 2 * N; i++)
        answer(i, 5);
    for (size_t i = 0; i < N; i++) {
        const struct one *o = &all->one[i + 1];

        snprintf(id, sizeof(id), "e%zu!", i);
        CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH);
        CHECK(number(o, "a") == (long)i && number(o, "b") == 5);
        CHECK(gw_str_is(gw_event_text(&o->ev, "id"), id));
    }
    close_calls();
}

TEST(test_wait_uuids_are_the_same_whoever_runs_in_between)
{
    char first[80];
    struct one *o;

    open_one("event.u = m.uuid() wait() event.u = event.u .. m.uuid()");
    o = start("e1");
    answer(0, 0);
    snprintf(first, sizeof(first), "%s", gw_event_text(&o->ev, "u").p);
    all->n--;
    gw_arena_free(o->mem);
    o = start("e1");
    start("other");
    answer(1, 0);
    CHECK(gw_str_is(gw_event_text(&o->ev, "u"), first));
    close_calls();
}

TEST(test_wait_every_hook_of_the_chain_and_every_event_of_a_split)
{
    static const char *const scripts[] = {
        "wait() local c = m.copy(event) c.part = 2 event.part = 1 return {event, c}",
        "local k = wait() event.k = k * 10 + event.part", "wait()"};
    struct one *o;

    open_calls(scripts, 3);
    o = start("e1");
    for (size_t i = 0; i < 5; i++) {
        CHECK(all->n_pending == i + 1 && o->dones == 0);
        answer(i, (long)i);
    }
    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH && o->c.n_events == 2);
    CHECK(gw_event_get(o->c.events[0], GW_STR("k"))->number == 11);
    CHECK(gw_event_get(o->c.events[1], GW_STR("k"))->number == 22);
    close_calls();
}

TEST(test_wait_works_inside_pcall_and_says_where_it_cannot)
{
    struct one *o;

    open_one("local ok, v = pcall(wait) assert(ok) event.one = v\n"
             "ok, v = xpcall(wait, print) assert(ok) event.two = v\n"
             "ok, v = pcall(function() local x = wait() error({x = x}) end)\n"
             "assert(not ok) event.three = v.x\n"
             "local t = setmetatable({}, {__index = function() return wait() end})\n"
             "event.four = t.x\n"
             "for x in function(_, last) if not last then return wait() end end do "
             "event.five = x end\n"
             "local function no(f, ...) local yes, why = pcall(f, ...) assert(not yes) "
             "assert(why:find('cannot wait', 1, true), why) end\n"
             "no(table.sort, {1, 2}, wait) no(string.gsub, 'x', 'x', wait) no(load, wait)\n"
             "no(coroutine.wrap(function() wait() end))\n"
             "ok, v = coroutine.resume(coroutine.create(wait)) assert(not ok)\n"
             "event.why = v\n"
             "do local c <close> = setmetatable({}, {__close = function() wait() end}) end\n"
             "event.six = 6");
    o = start("e1");
    for (size_t i = 0; i < 6; i++)
        answer(i, (long)i + 1);
    if (o->c.text[0])
        fprintf(stderr, "%s\n", o->c.text);
    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH);
    CHECK(number(o, "one") == 1 && number(o, "two") == 2 && number(o, "three") == 3);
    CHECK(number(o, "four") == 4 && number(o, "five") == 5 && number(o, "six") == 6);
    CHECK(has(gw_event_text(&o->ev, "why").p, "wait: a coroutine of the script's own cannot wait"));
    close_calls();
}

TEST(test_wait_is_refused_while_a_script_or_module_loads)
{
    struct one *o;

    /* A module gets at the hook's `wait` through a table both have. */
    world_write("half.lua", "require('both').wait() return {}");
    world_write("both.lua", "return {}");
    open_one("require('both').wait = wait\n"
             "local ok, why = pcall(require, 'half') assert(not ok) event.why = why\n"
             "event.got = wait()");
    o = start("e1");
    answer(0, 3);
    CHECK(o->dones == 1 && number(o, "got") == 3);
    CHECK(has(gw_event_text(&o->ev, "why").p, "half.lua:1: wait: a module cannot wait"));
    close_calls();
}

TEST(test_wait_past_its_time_is_a_timeout_and_no_stop)
{
    struct one *a, *b;
    int64_t before;

    gw_hook_now_ms = fake_now;
    now = 1000;
    open_one("local c <close> = setmetatable({}, {__close = function() end})\n"
             "if event.id == 'quick' then event.q = true return end\n"
             "event.got = wait()");
    a = start("a");
    now += 3000;
    b = start("b");
    CHECK(gw_hooks_expire(all->w.hooks) == 2000);
    now += 2000;
    before = gw_hooks_memory(all->w.hooks);
    CHECK(gw_hooks_expire(all->w.hooks) == 3000);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_FAILED && !a->c.stopped && b->dones == 0);
    CHECK(!strcmp(a->c.reason, "hook_timeout") && a->c.unchanged != NULL);
    CHECK(has(a->c.text, "a.lua:5: no answer within 5000 ms"));
    CHECK(has(a->c.text, "(event a)"));
    CHECK(all->pending[0].ended && !all->pending[1].ended);
    answer(1, 4);
    CHECK(b->c.verdict == GW_HOOK_PUBLISH && number(b, "got") == 4);
    /* The same state takes the next event. */
    CHECK(start("quick")->c.run->vm == a->c.run->vm && before > 0);
    CHECK(gw_hooks_expire(all->w.hooks) == -1);
    close_calls();
}

TEST(test_wait_after_time_is_up_runs_close_handlers_within_a_grace)
{
    struct one *o;

    gw_hook_now_ms = fake_now;
    now = 1000;
    open_one("local c <close> = setmetatable({}, {__close = function()\n"
             "if event.id == 'bad' then while true do end end for i = 1, 5000 do end\n"
             "event.closed = true end}) wait()");
    o = start("good");
    now += 6000;
    gw_hooks_expire(all->w.hooks);
    CHECK(o->dones == 1 && number(o, "closed") == 1 && !o->c.stopped);
    o = start("bad");
    now += 5000;
    gw_hooks_expire(all->w.hooks);
    CHECK(o->dones == 1 && o->c.stopped && !strcmp(o->c.reason, "hook_timeout"));
    close_calls();
}

TEST(test_wait_its_timer_ends_it_without_help)
{
    struct one *o;

    timeout_ms = 30;
    open_one("wait()");
    o = start("e1");
    while (!o->dones)
        gw_loop_turn(all->loop, 1);
    CHECK(!strcmp(o->c.reason, "hook_timeout") && !o->c.stopped);
    o = start("e2"); /* and again */
    while (!o->dones)
        gw_loop_turn(all->loop, 1);
    close_calls();
}

/* The answer comes with a millisecond left: what follows is no runaway. */
TEST(test_wait_an_answer_at_the_last_moment_leaves_time_to_go_on)
{
    struct one *o;

    gw_hook_now_ms = fake_now;
    now = 1000;
    open_one("wait() for i = 1, 10000 do end event.done = true\n"
             "if event.id == 'more' then wait() end");
    o = start("e1");
    now += 4999;
    ticking = 1;
    answer(0, 0);
    ticking = 0;
    CHECK(o->dones == 1 && number(o, "done") == 1);
    o = start("more"); /* but there is no more waiting */
    now += 5000;
    answer(1, 0);
    CHECK(o->dones == 0 && gw_hooks_expire(all->w.hooks) == -1);
    CHECK(o->dones == 1 && !strcmp(o->c.reason, "hook_timeout") && !o->c.stopped);
    close_calls();
}

/* Each has its own instructions; what one did is not charged to another. */
TEST(test_wait_every_hook_pays_for_itself)
{
    struct one *a, *b;

    open_one("for i = 1, 400000 do end wait() for i = 1, 400000 do end\n"
             "if event.id == 'b' then for i = 1, 400000 do end end");
    a = start("a");
    b = start("b");
    answer(1, 0);
    answer(0, 0);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_PUBLISH);
    CHECK(b->dones == 1 && !strcmp(b->c.reason, "hook_budget"));
    CHECK(has(b->c.text, "a.lua:4: more than 1000000 instructions"));
    close_calls();
}

/* What another allocated and has not paid for yet stays its own. */
TEST(test_wait_debts_stay_with_their_hook)
{
    struct one *a, *b;

    instructions = 60000;
    open_one("if event.id == 'b' then local s = 'x' for i = 1, 22 do s = s .. s end wait() return "
             "end\nwait() for i = 1, 45000 do end");
    a = start("a");
    b = start("b");
    CHECK(b->dones == 0);
    answer(0, 0);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_PUBLISH);
    answer(1, 0);
    CHECK(b->dones == 1 && b->c.verdict == GW_HOOK_PUBLISH);
    close_calls();
}

TEST(test_wait_in_a_circle_ends_with_the_instructions)
{
    struct one *o;
    size_t i;

    open_one("while true do wait() end");
    o = start("e1");
    for (i = 0; !o->dones && i < 2000; i++)
        answer(i, 0);
    CHECK(o->dones == 1 && !strcmp(o->c.reason, "hook_budget") && i <= 1000);
    close_calls();
}

/* H3: no new call enters a stopped state; those that wait there end there. */
TEST(test_wait_hooks_of_a_stopped_state_end_in_it)
{
    struct one *a, *b, *bad, *fresh;
    int64_t two;

    open_one("if event.id == 'bad' then while true do end end\n"
             "event.got = wait() if event.id == 'b' then wait() end event.after = true");
    a = start("a");
    b = start("b");
    bad = start("bad");
    CHECK(bad->dones == 1 && bad->c.stopped && !strcmp(bad->c.reason, "hook_budget"));
    fresh = start("fresh"); /* its `wait` is nil: it loaded afresh */
    CHECK(fresh->dones == 1 && fresh->c.run->vm != a->c.run->vm);
    CHECK(number(fresh, "got") == -1);
    two = gw_hooks_memory(all->w.hooks);
    answer(0, 3);
    CHECK(a->dones == 1 && number(a, "got") == 3 && number(a, "after") == 1);
    answer(1, 4);
    CHECK(b->dones == 0 && gw_hooks_memory(all->w.hooks) > two / 2);
    answer(2, 5);
    CHECK(b->dones == 1 && number(b, "after") == 1);
    CHECK(gw_hooks_memory(all->w.hooks) <= two / 2); /* the old state is closed */
    close_calls();
}

TEST(test_wait_a_stop_for_memory_leaves_the_others_their_state)
{
    struct one *a, *bad;

    open_one("if event.id == 'bad' then local s = 'x' while true do s = s .. s end end\n"
             "local t = {} for i = 1, 1000 do t[i] = {} end event.got = wait()\n"
             "for i = 1, 1000 do t[i] = ('y'):rep(500) .. i end event.n = #t");
    a = start("a");
    bad = start("bad");
    CHECK(bad->c.stopped && !strcmp(bad->c.reason, "hook_memory"));
    answer(0, 1);
    if (a->c.text[0])
        fprintf(stderr, "%s\n", a->c.text);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_PUBLISH && number(a, "n") == 1000);
    close_calls();
}

TEST(test_wait_stopped_states_that_wait_are_few)
{
    struct one *o, *waiting[4];

    open_one("if event.id == 'bad' then while true do end end wait()");
    for (int i = 0; i < 4; i++) {
        waiting[i] = start("a");
        CHECK(waiting[i]->dones == 0 && start("bad")->c.stopped);
        if (i < 3)
            lend_wait();
    }
    o = start("next");
    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_RETRY && !o->c.run);
    CHECK(has(o->c.text, "those end first"));
    answer(2, 0);
    o = start("next");
    CHECK(o->dones == 1 && o->c.verdict == GW_HOOK_PUBLISH);
    close_calls();
}

TEST(test_wait_over_a_reload_ends_in_the_old_version)
{
    struct one *a, *b;

    open_one("event.got = wait() event.v = 1");
    a = start("a");
    world_write("a.lua", "return function(e) e.v = 2 end");
    CHECK(gw_hooks_reload(all->w.hooks, NULL, &all->w.err) == 0);
    b = start("b");
    CHECK(b->dones == 1 && number(b, "v") == 2);
    answer(0, 9);
    CHECK(a->dones == 1 && number(a, "v") == 1 && number(a, "got") == 9);
    close_calls();
}

TEST(test_wait_a_stop_in_an_old_state_leaves_the_new_one)
{
    struct one *a, *b;
    const struct gw_hook_vm *fresh;

    open_one("wait() while true do end");
    a = start("a");
    world_write("a.lua", "return function(e) e.v = 2 end");
    CHECK(gw_hooks_reload(all->w.hooks, NULL, &all->w.err) == 0);
    b = start("b");
    fresh = b->c.run->vm;
    answer(0, 0);
    CHECK(a->c.stopped && !strcmp(a->c.reason, "hook_budget"));
    b = start("c");
    CHECK(number(b, "v") == 2 && b->c.run->vm == fresh);
    close_calls();
}

/* H1: what waits is let go; done is not called, and what was under way is given up. */
TEST(test_wait_at_close_is_let_go)
{
    struct gw_metrics *m = gw_metrics_new();
    struct one *o;

    open_one("local c <close> = setmetatable({}, {__close = function() error('runs') end}) wait()");
    gw_hooks_close(all->w.hooks); /* anew, with metrics */
    all->w.conf.metrics = m;
    world_open(&all->w);
    lend_wait();
    for (int i = 0; i < 5; i++)
        start("a");
    answer(1, 0);
    o = &all->one[all->n - 1];
    CHECK(all->open == 4 && o->dones == 0);
    gw_hooks_close(all->w.hooks);
    all->w.hooks = NULL;
    CHECK(all->open == 0 && o->dones == 0);
    CHECK(gw_metrics_counter(m, GW_M_HOOK_MEMORY_BYTES, "orders", NULL)->value == 0);
    gw_metrics_free(m);
    close_calls();
}

/* H4 while hooks wait: another one's event raises, one's own is good again. */
TEST(test_wait_a_kept_event_is_not_anothers)
{
    struct one *a, *b;

    world_write("both.lua", "return {}");
    open_one("local both = require 'both'\n"
             "if event.id == 'a' then both.kept = event else event.got = both.kept.id end\n"
             "wait() event.own = both.kept == event");
    a = start("a");
    b = start("b");
    CHECK(b->dones == 1 && b->c.verdict == GW_HOOK_FAILED);
    CHECK(has(b->c.text, "a.lua:4: an event used after its hook returned"));
    answer(0, 0);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_PUBLISH && number(a, "own") == 1);
    close_calls();
}

TEST(test_wait_without_a_loop_there_is_nothing_to_wait_on)
{
    struct one *o;

    has_loop = 0;
    open_one("event.got = tostring(wait())");
    o = start("e1");
    CHECK(o->dones == 1 && gw_str_is(gw_event_text(&o->ev, "got"), "nil"));
    close_calls();
}

/* A state that was left in the middle of a step (watch.c): the others did nothing wrong. */
TEST(test_wait_hooks_of_a_broken_state_are_run_again)
{
    struct one *a, *b, *c;

    open_one("event.got = wait()");
    a = start("a");
    b = start("b");
    c = start("c");
    b->c.run->vm->broken = 1;
    answer(1, 0);
    CHECK(b->dones == 1 && b->c.stopped && b->c.verdict == GW_HOOK_FAILED);
    CHECK(a->dones == 1 && a->c.verdict == GW_HOOK_RETRY && !a->c.stopped && a->c.run != NULL);
    CHECK(c->dones == 1 && has(c->c.text, "ended the Lua state") && all->open == 0);
    CHECK(start("d")->c.verdict == GW_HOOK_PUBLISH);
    close_calls();
}
