/* What the sandbox costs, in one thread: a call with the guard (budget, watch, allocator) and the
 * same without; our matcher of patterns and Lua's own on the patterns of the shipped scripts and of
 * hooks as people write them. Rounds take turns; prints smallest, middle and largest.
 *   build/release/guard_bench [--n CALLS] [--rounds N] */
#include "base/arena.h"
#include "hook/guard.h"
#include "hook/hook.h"
#include "hook/vm.h"

#include <getopt.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 101 };

static const char call[] = "local event = {id = 'e1', phase = 'FAILED'}\n"
                           "return function()\n"
                           "  if event.phase ~= 'FAILED' then return false, 'not a failure' end\n"
                           "  event.team = 'ml'\n"
                           "  event.reason = event.id\n"
                           "end\n";

/* Upvalues of each: the function, subject, pattern, replacement. */
static const char loops[] =
    "local string = ...\n"
    "local gmatch = string.gmatch\n"
    "local function over(f) return function(s, p, r, n) for _ = 1, n do f(s, p, r) end end end\n"
    "return {find = over(string.find), match = over(string.match), gsub = over(string.gsub),\n"
    "  gmatch = over(function(s, p) for _ in gmatch(s, p) do end end)}\n";

static const char message[] =
    "[1/1] currentAttempt done. Last Error: USER::Pod failed. No message received from "
    "kubernetes.\n"
    "[f5c0ffee-n0-0] terminated with exit code (137). Reason [OOMKilled]. Message: out of memory\n";

static const struct pair {
    const char *function, *pattern, *subject, *replacement;
} pairs[] = {
    /* scripts/ and lua/moongate */
    {"find", "[*?]", "flytesnacks-*", ""},
    {"gsub", "[^%w*?]", "core.train.*-nightly", "%%%0"},
    {"gsub", "%*+", "core%.train%.**", ".*"},
    {"gsub", "%?", "core%.train%.?", "[%%z\1-\127\194-\253][\128-\191]*"},
    {"find", "^core%.train%..*$", "core.train.resnet_50_nightly", ""},
    {"gsub", "_", "cost_center_of_team", ""},
    {"match", "^([^_]*)_?(.*)$", "task_failed_again", ""},
    {"find", "json", "application/cloudevents+json", ""},
    {"gsub", "^[^\n]-:%d+: ", "team.lua:17: attempt to index a nil value", ""},
    {"find", "[^a-z0-9]", "datacontenttype", ""},
    {"match", "^(%u+) (.*)$", "POST https://hooks.slack.com/services/T0/B0/x", ""},
    {"find", "^[^\n]-:%d+:", message, ""},
    {"gsub", "[\xc2-\xf4][\x80-\xbf]*$", "a text that ends in the middle of a letter \xc3", ""},
    /* as people write them */
    {"match", "^%s*(.-)%s*$", "   some text with spaces around it   ", ""},
    {"match", "exit code %((%d+)%)", message, ""},
    {"gmatch", "%S+", message, ""},
    {"gmatch", "([^,]+)", "ml,research,platform,data,infra,growth", ""},
    {"gmatch", "(%w+)=(%w+)", "team=ml, cost=42, owner=jane", ""},
    {"gsub", "%c", message, " "},
    {"gsub", "[%w._-]+@[%w._-]+", "mail jane.doe@example.org or ops@example.org", "<mail>"},
    {"match", "^(%d%d%d%d)-(%d%d)-(%d%d)T", "2026-01-02T03:04:05.678Z", ""},
    {"find", "s3://", "outputs at s3://bucket/metadata/propeller/outputs.pb", ""},
    {"match", "([^/]+)%.pb$", "s3://bucket/metadata/propeller/run/n0/data/0/outputs.pb", ""},
    {"find", "OOMKilled", message, ""},
};
enum { PAIRS = sizeof(pairs) / sizeof(pairs[0]) };

static void *plain_alloc(void *ud, void *ptr, size_t osize, size_t nsize)
{
    (void)ud;
    (void)osize;
    if (nsize)
        return realloc(ptr, nsize);
    free(ptr);
    return NULL;
}

/* Of this thread: what else the machine does is left out, but for its caches. */
static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_spread(const char *name, double *v, int n, const char *unit)
{
    qsort(v, (size_t)n, sizeof(*v), by_value);
    printf("%-44s %8.3f / %.3f / %.3f %s\n", name, v[0], v[n / 2], v[n - 1], unit);
}

/* ---- a call ------------------------------------------------------------------------------ */

static const struct gw_hooks_conf conf = {
    .limits = {.instructions = INT64_MAX / 2, .memory = 64 << 20, .timeout_ms = 600000}};

static void open_guarded(struct gw_hook_vm *vm, struct gw_hook_run *r)
{
    *vm = (struct gw_hook_vm){.conf = &conf, .refs = 1, .scratch = gw_arena_new()};
    *r = (struct gw_hook_run){.vm = vm, .left = conf.limits.instructions};
    gw_heap_open(vm);
    gw_watch_open(vm);
    vm->L = lua_newstate(gw_heap_alloc, vm);
    *(struct gw_hook_vm **)lua_getextraspace(vm->L) = vm;
    vm->run = r;
    luaL_openlibs(vm->L);
}

static void close_guarded(struct gw_hook_vm *vm)
{
    vm->run = NULL;
    lua_close(vm->L);
    gw_heap_close(vm);
    gw_watch_close(vm);
    gw_arena_free(vm->scratch);
}

/* The function at 1 of L, n times on co; µs for each. */
static double run_plain(lua_State *co, long n)
{
    int64_t begin = cpu_ns();
    int results;

    for (long i = 0; i < n; i++) {
        lua_pushvalue(co, 1);
        if (lua_resume(co, NULL, 0, &results) != LUA_OK)
            abort();
        lua_settop(co, 1);
    }
    return (double)(cpu_ns() - begin) / 1e3 / (double)n;
}

static double run_guarded(struct gw_hook_run *r, long n)
{
    int64_t begin = cpu_ns();
    int results;

    for (long i = 0; i < n; i++) {
        lua_pushvalue(r->co, 1);
        r->vm->running = r->co;
        r->left = conf.limits.instructions;
        r->deadline_ms = 0;
        gw_guard_arm(r->co);
        if (gw_watch_resume(r, 0, &results) != LUA_OK)
            abort();
        lua_settop(r->co, 1);
    }
    return (double)(cpu_ns() - begin) / 1e3 / (double)n;
}

static lua_State *prepare_call(lua_State *L)
{
    lua_State *co = lua_newthread(L);

    if (luaL_dostring(co, call) != LUA_OK)
        abort();
    lua_settop(co, 1);
    return co;
}

static void bench_call(long n, int rounds)
{
    double with[MAX_ROUNDS], without[MAX_ROUNDS], more[MAX_ROUNDS];
    lua_State *L = lua_newstate(plain_alloc, NULL), *co = prepare_call(L);
    struct gw_hook_vm vm;
    struct gw_hook_run r;

    open_guarded(&vm, &r);
    r.co = prepare_call(vm.L);
    for (int i = 0; i < rounds; i++) {
        without[i] = run_plain(co, n);
        with[i] = run_guarded(&r, n);
        more[i] = with[i] - without[i];
    }
    print_spread("a call without the guard", without, rounds, "us");
    print_spread("a call with the guard", with, rounds, "us");
    print_spread("the guard (aim <= 0.05)", more, rounds, "us a call");
    lua_close(L);
    close_guarded(&vm);
}

/* ---- patterns ---------------------------------------------------------------------------- */

/* Leaves the table of loops over a string library; the library is on top. */
static void push_loops(lua_State *L)
{
    if (luaL_loadstring(L, loops) != LUA_OK)
        abort();
    lua_insert(L, -2);
    lua_call(L, 1, 1);
}

static double run_pair(lua_State *L, int table, const struct pair *p, long n)
{
    int64_t begin;

    lua_getfield(L, table, p->function);
    lua_pushstring(L, p->subject);
    lua_pushstring(L, p->pattern);
    if (!strcmp(p->function, "gsub"))
        lua_pushstring(L, p->replacement);
    else
        lua_pushnil(L);
    lua_pushinteger(L, n);
    begin = cpu_ns();
    lua_call(L, 4, 0);
    return (double)(cpu_ns() - begin) / 1e3 / (double)n;
}

static void bench_patterns(long n, int rounds)
{
    double ours[PAIRS][MAX_ROUNDS], luas[PAIRS][MAX_ROUNDS], sum[MAX_ROUNDS];
    struct gw_hook_vm vm;
    struct gw_hook_run r;

    open_guarded(&vm, &r);
    lua_getglobal(vm.L, "string");
    push_loops(vm.L);
    lua_newtable(vm.L);
    gw_patterns_open(vm.L);
    push_loops(vm.L);
    for (int i = 0; i < rounds; i++) {
        double a = 0, b = 0;

        for (int j = 0; j < PAIRS; j++) {
            luas[j][i] = run_pair(vm.L, 1, &pairs[j], n);
            ours[j][i] = run_pair(vm.L, 2, &pairs[j], n);
            a += luas[j][i];
            b += ours[j][i];
        }
        sum[i] = b / a;
    }
    for (int j = 0; j < PAIRS; j++) {
        qsort(ours[j], (size_t)rounds, sizeof(double), by_value);
        qsort(luas[j], (size_t)rounds, sizeof(double), by_value);
        printf("  %-6s %-26.26s ours %6.3f us, Lua's %6.3f us, ratio %.2f\n", pairs[j].function,
               pairs[j].pattern[0] == '[' && pairs[j].pattern[1] < 0
                   ? "[\\xc2-\\xf4][\\x80-\\xbf]*$"
                   : pairs[j].pattern,
               ours[j][rounds / 2], luas[j][rounds / 2], ours[j][rounds / 2] / luas[j][rounds / 2]);
    }
    print_spread("patterns, ours / Lua's (aim <= 1.25)", sum, rounds, "");
    lua_settop(vm.L, 0);
    close_guarded(&vm);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"n", required_argument, NULL, 'n'}, {"rounds", required_argument, NULL, 'r'}, {0}};
    long n = 200000;
    int c, rounds = 9;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'n')
            n = strtol(optarg, NULL, 10);
        else if (c == 'r')
            rounds = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (n < 10 || rounds < 1 || rounds > MAX_ROUNDS)
        return 2;
    bench_call(5 * n, rounds);
    bench_patterns(n / 10, rounds);
    return 0;
}
