/* Budgets: every hostile script ends as its first line says, and the next event runs. */
#include "hook/hook.h"

#include "base/clock.h"
#include "base/diag.h"
#include "hook/world.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__has_feature)
#define HAS_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#else
#define HAS_TSAN 0
#endif

/* 10 µs a look, so nothing runs for ever and no wall clock decides. */
static int64_t looks;

static int64_t slow_clock(void)
{
    return looks++ / 100;
}

static int64_t real_clock(void)
{
    return gw_mono_ms();
}

static void log_nowhere(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static int has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "%s\n  does not have %s\n", text, part);
    return strstr(text, part) != NULL;
}

static struct gw_hook_call run(const char *body)
{
    struct gw_hook_call c;
    struct world w;
    char src[2000];

    gw_hook_now_ms = slow_clock;
    world_init(&w);
    snprintf(src, sizeof(src), "return function(e) if e.id == 'next' then return end\n%s\nend",
             body);
    world_script(&w, "hook.lua", src);
    world_open(&w);
    c = *world_call(&w);
    gw_event_set(&w.ev, GW_STR("id"), GW_STR("next"));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    world_close(&w);
    return c;
}

/* The header of a hostile script: "-- expect: hook_budget|hook_memory", then perhaps "-- says:
 * held", what an error says, and "-- timeout: 200", for what only time ends. One of ours lets the
 * event "next" pass. */
struct hostile {
    char expect[200], says[100]; /* says: of a hook_error */
    int64_t timeout_ms;          /* of the real clock; 0: the test's own */
    int passes_next;
};

static struct hostile read_header(const char *path)
{
    struct hostile h = {.timeout_ms = 0};
    FILE *f = fopen(path, "r");
    char line[400];

    CHECK(f && fgets(line, sizeof(line), f) && !strncmp(line, "-- expect: ", 11));
    snprintf(h.expect, sizeof(h.expect), "%.190s", line + 11);
    while (fgets(line, sizeof(line), f)) {
        line[strcspn(line, "\n")] = '\0';
        if (!strncmp(line, "-- says: ", 9))
            snprintf(h.says, sizeof(h.says), "%.90s", line + 9);
        if (!strncmp(line, "-- timeout: ", 12))
            h.timeout_ms = strtol(line + 12, NULL, 10);
        if (strstr(line, "event.id == \"next\""))
            h.passes_next = 1;
    }
    fclose(f);
    return h;
}

/* A stop gives the whole state back; what the call left in the record's arena is bounded, too. */
static void check_call(struct world *w, const struct hostile *h, const char *got)
{
    CHECK(w->call.verdict == GW_HOOK_FAILED && strstr(w->call.text, ".lua:"));
    CHECK(strcmp(got, "hook_error") != 0 || has(w->call.text, h->says));
    CHECK(!strcmp(got, "hook_error") || gw_hooks_memory(w->hooks) == 0);
    CHECK(gw_hooks_memory(w->hooks) <= w->conf.limits.memory);
    CHECK(gw_arena_size(w->mem) <= (size_t)w->conf.limits.memory + (1 << 20));
    if (!h->passes_next)
        return;
    gw_event_set(&w->ev, GW_STR("id"), GW_STR("next"));
    CHECK(world_call(w)->verdict == GW_HOOK_PUBLISH);
}

static void run_hostile(const char *path, int64_t factor, int64_t memory)
{
    struct hostile h = read_header(path);
    const char *got;
    int expected;
    struct world w;

    world_init(&w);
    w.conf.limits.instructions *= factor;
    w.conf.limits.memory = memory;
    gw_diag_sink = log_nowhere;
    gw_hook_now_ms = h.timeout_ms || memory > 32 << 20 ? real_clock : slow_clock;
    if (h.timeout_ms || factor > 1)
        w.conf.limits.timeout_ms = h.timeout_ms ? h.timeout_ms : 50;
    if (memory > 32 << 20)
        w.conf.limits.timeout_ms = getenv("HOSTILE") ? 5000 : 100;
    w.paths[w.scripts.n++] = path;
    w.hooks = gw_hooks_open(&w.conf, &w.err);
    got = w.hooks ? world_call(&w)->reason : "load_error";
    fprintf(stderr, "%s: %s%s\n", strrchr(path, '/') + 1, got, w.hooks ? "" : w.err.msg);
    expected = strstr(h.expect, got) || (factor > 1 && !strcmp(got, "hook_timeout"));
    /* The clock by hand says nothing; the watch over single steps has its own, which is real. */
    expected |= !strcmp(got, "hook_timeout") && strstr(w.call.text, "in one step") != NULL;
    if (memory > 32 << 20) /* one limit or another */
        expected |= strstr(got, "hook_") == got;
    CHECK(expected && *got);
    if (w.hooks)
        check_call(&w, &h, got);
    world_close(&w);
}

static void run_all_hostile(int64_t factor, int64_t memory, const char *only)
{
    char dir[300], path[600];
    struct dirent *d;
    int n = 0;
    DIR *all;

    if (HAS_TSAN)
        spec_skip("TSan does not know the longjmp of liblua");
    snprintf(dir, sizeof(dir), "%s/spec/lua/hostile", spec_root());
    all = opendir(dir);
    CHECK(all);
    while ((d = readdir(all)) != NULL) {
        if (!strstr(d->d_name, ".lua") || !strstr(d->d_name, only))
            continue;
        snprintf(path, sizeof(path), "%s/%s", dir, d->d_name);
        run_hostile(path, factor, memory);
        n++;
    }
    closedir(all);
    CHECK(*only ? n > 0 : n >= 80);
}

TEST(test_guard_stops_every_hostile_script)
{
    run_all_hostile(1, 32 << 20, "");
}

TEST(test_guard_stops_every_hostile_script_with_more_instructions)
{
    run_all_hostile(SPEC_SLOW ? 100 : 1000, 32 << 20, "");
}

/* A few; with HOSTILE=all every script (make hostile), which takes minutes. */
TEST(test_guard_stops_hostile_scripts_with_a_gigabyte)
{
    static const char *const few[] = {"grow_colliding_keys", "compare_long_strings",
                                      "coroutine_flood", "pack_huge", "weak_chain"};
    const char *which = getenv("HOSTILE");

    if (which && !strcmp(which, "all")) {
        alarm(1800);
        run_all_hostile(1000, 1 << 30, "");
        return;
    }
    for (size_t i = 0; i < sizeof(few) / sizeof(few[0]); i++)
        run_all_hostile(1000, 1 << 30, few[i]);
}

static const char *const runaways[][2] = {
    {"while true do end", "hook_budget"},
    {"while true do pcall(function() while true do end end) end", "hook_budget"},
    {"local function f() while true do end end xpcall(f, f)", "hook_budget"},
    {"local co = coroutine.wrap(function() while true do coroutine.yield() end end)\n"
     "while true do co() end",
     "hook_budget"},
    {"local function f() while true do end end\n"
     "local x <close> = setmetatable({}, {__close = f}) f()",
     "hook_budget"},
    {"local function f() while true do end end local co = coroutine.create(function()\n"
     "local x <close> = setmetatable({}, {__close = f}) coroutine.yield() end)\n"
     "coroutine.resume(co) while true do coroutine.close(co) end",
     "hook_budget"},
    {"setmetatable({}, {__gc = function() while true do end end})", "hook_error"},
    {"local f = setmetatable({}, {__index = function() return '' end})\n"
     "table.concat(f, '', 1, math.maxinteger - 1)",
     "hook_budget"},
    {"local s = 'x' while true do s = s .. s end", "hook_memory"},
    {"error(setmetatable({}, {__tostring = function() while true do end end}))", "hook_error"},
    {"string.rep = 1", "hook_error"},
    {"y = 1", "hook_error"},
    {"rawset(string, 'rep', 1)", "hook_error"},
    {"rawset(_G, 'rep', 1)", "hook_error"},
    {"setmetatable(_G, {})", "hook_error"},
    {"local s = ('x'):rep(1 << 20) while true do e.team = s end", "hook_memory|hook_budget"},
    {"local s = ('x'):rep(1 << 20) while true do e.data = s end", "hook_memory|hook_budget"},
    {"local m = require 'moongate' local t = {} for i = 1, 1e9 do t[i] = m.copy(e) end",
     "hook_memory|hook_budget"},
    {"table.sort({3, 2, 1}, function() while true do end end)", "hook_budget"},
    {"local a, t = ('x'):rep(1024):rep(64), {} local b = a .. 'y'\n"
     "for i = 1, 1000 do t[i] = i % 2 == 0 and a or b end table.sort(t)",
     "hook_budget"},
    {"('x'):gsub('.', function() while true do end end)", "hook_budget"},
    {"load(function() while true do end end)", "hook_budget"},
    {"local t = {} t.t = t require 'moongate'.json.encode(t)", "hook_error"},
    {"for i = 1, 300 do e['a' .. i] = 1 end", "hook_error"},
    {"while true do require 'moongate'.log.debug('x') end", "hook_budget"},
};

TEST(test_guard_stops_every_runaway_and_the_next_event_runs)
{
    if (HAS_TSAN)
        spec_skip("TSan does not know the longjmp of liblua");
    for (size_t i = 0; i < sizeof(runaways) / sizeof(runaways[0]); i++) {
        struct gw_hook_call c = run(runaways[i][0]);

        if (c.verdict != GW_HOOK_FAILED || !strstr(runaways[i][1], c.reason))
            fprintf(stderr, "%s: %s\n", runaways[i][0], c.reason);
        CHECK(c.verdict == GW_HOOK_FAILED && strstr(runaways[i][1], c.reason));
    }
}

/* What bindings put into the record's arena is memory, too. */
TEST(test_guard_counts_data_made_from_the_request)
{
    struct world w;

    gw_hook_now_ms = slow_clock;
    world_init(&w);
    w.conf.limits.instructions = INT64_MAX;
    world_script(&w, "hook.lua",
                 "return function(e, request)\n"
                 "local s = ('x'):rep(1 << 18)\n"
                 "while true do request.event.producer_id = s local d = e.data end end");
    world_open(&w);
    world_request(&w, GW_WORKFLOW, "{\"event\":{\"phase\":\"RUNNING\"}}");
    CHECK(!strcmp(world_call(&w)->reason, "hook_memory"));
    CHECK(gw_arena_size(w.mem) < 80 << 20);
    world_close(&w);
}

TEST(test_guard_counts_what_is_decoded)
{
    struct world w;
    char path[600];

    snprintf(path, sizeof(path), "%s/spec/golden/flyteidl-events.desc", spec_root());
    CHECK(!symlink(path, "set.desc"));
    gw_hook_now_ms = slow_clock;
    world_init(&w);
    w.conf.limits.instructions = INT64_MAX;
    w.conf.limits.memory = 8 << 20;
    world_script(&w, "hook.lua",
                 "local pb = require('moongate').proto.load('set.desc')\n"
                 "return function(e)\n"
                 "pb:decode('flyteidl.core.LiteralCollection', "
                 "('\\x0a\\0'):rep(1 << 19)) end");
    world_open(&w);
    CHECK(!strcmp(world_call(&w)->reason, "hook_memory"));
    CHECK(gw_arena_size(w.mem) < 20 << 20);
    world_close(&w);
}

TEST(test_guard_time_is_a_budget_too)
{
    struct gw_hook_call c;
    struct world w;

    gw_hook_now_ms = slow_clock;
    world_init(&w);
    w.conf.limits.instructions = INT64_MAX;
    w.conf.limits.timeout_ms = 10;
    world_script(&w, "hook.lua", "return function(e)\nwhile true do end end");
    world_open(&w);
    c = *world_call(&w);
    CHECK(!strcmp(c.reason, "hook_timeout"));
    /* Whoever is first: the clock by hand, or on a slow machine the watch over single steps. */
    CHECK(has(c.text, strstr(c.text, "one step") ? "took more than 10 ms, in one step"
                                                 : "hook.lua:2: took more than 10 ms (event e1)"));
    world_close(&w);
}

/* With large blocks about, a C function may take long: the clock is looked at more often. */
TEST(test_guard_looks_at_the_clock_more_often_among_large_blocks)
{
    static const char *const srcs[] = {"return function(e) for i = 1, 1000 do local x = i end end",
                                       "return function(e) local s = ('x'):rep(1024):rep(8192) for "
                                       "i = 1, 1000 do local x = i end end"};
    int64_t n[2];

    gw_hook_now_ms = slow_clock;
    for (int i = 0; i < 2; i++) {
        struct world w;

        world_init(&w);
        world_script(&w, "hook.lua", srcs[i]);
        world_open(&w);
        looks = 0;
        CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
        n[i] = looks;
        world_close(&w);
    }
    CHECK(n[0] < 10 && n[1] > 50);
}

/* Also in a coroutine that was made when there were none, and after one in the hook itself. */
TEST(test_guard_looks_more_often_in_coroutines_made_before_large_blocks)
{
    static const char *const srcs[] = {
        "local co = coroutine.wrap(function() coroutine.yield() for i = 1, 2000 do local x = i end "
        "end)\n"
        "co() local s = ('x'):rep(1024):rep(8192) co()",
        "local s coroutine.wrap(function() s = ('x'):rep(1024):rep(8192) end)()\n"
        "for i = 1, 2000 do local x = i end"};

    for (int i = 0; i < 2; i++) {
        looks = 0;
        CHECK(run(srcs[i]).verdict == GW_HOOK_PUBLISH);
        CHECK(looks > 100);
    }
}

/* Bytes that are asked for cost: joining long strings is no way round the budget. */
TEST(test_guard_allocation_counts_as_instructions)
{
    const struct gw_hook_call c =
        run("local s = ('x'):rep(1024):rep(1024) for i = 1, 100 do local a = s .. i end");

    CHECK(c.verdict == GW_HOOK_PUBLISH && c.instructions > 100 * (1 << 20) / 256);
}

/* What the API holds for a function, and what it put into the record, counts beside the Lua state.
 */
TEST(test_guard_counts_what_the_api_holds_as_memory)
{
    static const char *const srcs[] = {
        "return function(e) local s = ('x'):rep(3 << 20) require 'moongate'.base64.encode(s) end",
        "return function(e) local s = ('x'):rep(3 << 20) e.datacontenttype = 'a/b' e.data = s\n"
        "local t = ('y'):rep(2 << 20) end"};

    gw_hook_now_ms = slow_clock;
    for (int i = 0; i < 2; i++) {
        struct world w;

        world_init(&w);
        w.conf.limits = (struct gw_hook_limits){
            .instructions = 100000000, .memory = 8 << 20, .timeout_ms = 5000};
        world_script(&w, "hook.lua", srcs[i]);
        world_open(&w);
        CHECK(!strcmp(world_call(&w)->reason, "hook_memory"));
        world_close(&w);
    }
}

/* Only regular files are modules: opening another could wait for ever, or read without end. */
TEST(test_guard_require_reads_regular_files_only)
{
    CHECK(!mkfifo("fifo.lua", 0600) && !symlink("/dev/zero", "zero.lua") &&
          !mkdir("dir.lua", 0700));
    CHECK(run("for _, name in ipairs {'fifo', 'zero', 'dir'} do\n"
              "assert(not pcall(require, name), name) end")
              .verdict == GW_HOOK_PUBLISH);
}

TEST(test_guard_what_is_absent_is_absent)
{
    CHECK(run("assert(not (io or debug or package or dofile or loadfile or warn or os.exit or\n"
              "os.getenv or string.dump or getmetatable('') or getmetatable(_G)))\n"
              "assert(os.time() and os.date() and os.clock() and collectgarbage('count') > 1)\n"
              "assert(not pcall(collectgarbage) and not pcall(collectgarbage, 'stop'))\n"
              "assert(load('return 1', 'x', 'b') == 1 or true) assert(unknown == nil)")
              .verdict == GW_HOOK_PUBLISH);
}

TEST(test_guard_load_compiles_text_in_the_script_s_globals)
{
    CHECK(run("assert(load('return 1 + 1')() == 2) assert(load('return x', 'x', 't', {x = 3})() == "
              "3)\n"
              "local n, parts = 0, {'return ', '4'}\n"
              "assert(load(function() n = n + 1 return parts[n] end)() == 4)\n"
              "local f, why = load('return (') assert(not f and why)\n"
              "assert(not pcall(load('y = 1')))")
              .verdict == GW_HOOK_PUBLISH);
}

TEST(test_guard_pcall_and_coroutines_work_as_in_lua)
{
    CHECK(
        run("assert(select('#', pcall(error)) == 2) assert(select(2, pcall(error, 'x', 0)) == "
            "'x')\n"
            "local ok, m = xpcall(error, function(m) return m .. '!' end, 'x', 0)\n"
            "assert(not ok and m == 'x!') assert(select(3, pcall(function() return 1, 2 end)) == "
            "2)\n"
            "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 "
            "end)\n"
            "local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 5)\n"
            "assert(x == 2 and y == 10 and coroutine.status(co) == 'dead')\n"
            "assert(not coroutine.resume(co)) assert(not pcall(coroutine.yield))\n"
            "local w = coroutine.wrap(function() error('inside') end)\n"
            "assert(select(2, pcall(w)):find('inside'))\n"
            "local c2 = coroutine.create(function() pcall(coroutine.yield, 7) return 8 end)\n"
            "assert(select(2, coroutine.resume(c2)) == 7 and select(2, coroutine.resume(c2)) == 8)")
            .verdict == GW_HOOK_PUBLISH);
}

/* The thread of a call is used again: one that a script kept is of no use to it. */
TEST(test_guard_a_kept_thread_of_a_hook_is_dead_to_scripts)
{
    struct world w;

    world_init(&w);
    world_script(&w, "hook.lua",
                 "local kept return function(e)\n"
                 "local me = coroutine.running()\n"
                 "assert(not coroutine.resume(me, 1) and not pcall(coroutine.close, me))\n"
                 "if kept and kept ~= me then\n"
                 "assert(not coroutine.resume(kept, 1)) coroutine.close(kept) end\n"
                 "kept = kept or me if e.id == 'bad' then error('x') end end");
    world_open(&w);
    for (int i = 0; i < 6; i++) {
        int bad = i == 0 || i == 3;

        gw_event_set(&w.ev, GW_STR("id"), bad ? GW_STR("bad") : GW_STR("e"));
        CHECK(world_call(&w)->verdict == (bad ? GW_HOOK_FAILED : GW_HOOK_PUBLISH));
        CHECK(!bad || has(w.call.text, "hook.lua:6: x"));
    }
    world_close(&w);
}

TEST(test_guard_memory_is_given_back_after_a_stop)
{
    struct world w;
    int64_t before;

    gw_hook_now_ms = slow_clock;
    world_init(&w);
    world_script(&w, "hook.lua",
                 "local keep = {} return function(e)\n"
                 "for i = 1, 1e7 do keep[i] = ('x'):rep(1000) .. i end end");
    w.conf.limits.instructions = 100000000;
    world_open(&w);
    before = gw_hooks_memory(w.hooks);
    CHECK(before > 10000 && before < 200000);
    CHECK(!strcmp(world_call(&w)->reason, "hook_memory"));
    CHECK(has(w.call.text, "hook.lua:2: not enough memory within 33554432 bytes"));
    CHECK(gw_hooks_memory(w.hooks) == 0);
    world_close(&w);
}

/* Nothing is wrong with the event: it waits until the script loads again. */
TEST(test_guard_after_a_stop_a_script_that_does_not_load_asks_for_a_retry)
{
    struct world w;

    gw_hook_now_ms = slow_clock;
    world_init(&w);
    world_script(&w, "hook.lua", "return function(e) while true do end end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    world_write("hook.lua", "return function(");
    CHECK(world_call(&w)->verdict == GW_HOOK_RETRY && has(w.call.text, "hook.lua:1:"));
    CHECK(!w.call.run); /* how the pipeline tells it from a hook that asked */
    world_write("hook.lua", "return function() end");
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    world_close(&w);
}
