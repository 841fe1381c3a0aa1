/* What event.data of JSON costs a hook, in one thread, as a view and decoded into a table: two
 * members read, one changed, a list gone over. Rounds go over all rows in turn; prints the middle
 * of each row's costs above a hook that does nothing, and decode's as a multiple of the view's.
 *   build/release/view_bench [--n CALLS] [--rounds N] */
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/field.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_ROUNDS = 101 };

static const struct work {
    const char *name, *view, *decode;
} works[] = {
    {"two members read", "local d = e.data if d.id ~= 'o-1' or d.total ~= 12.5 then error() end",
     "local d = m.json.decode(e.data) if d.id ~= 'o-1' or d.total ~= 12.5 then error() end"},
    {"one member set", "e.data.seen = true",
     "local d = m.json.decode(e.data) d.seen = true e.data = d"},
    {"a member of each item read",
     "local n = 0 for _, item in ipairs(e.data.items) do n = n + item.count end e.n = n",
     "local n = 0 for _, item in ipairs(m.json.decode(e.data).items) do n = n + item.count end "
     "e.n = n"},
};
enum { WORKS = sizeof(works) / sizeof(works[0]), SIZES = 2, WAYS = 2 };
static const size_t sizes[SIZES] = {1500, 100 << 10};

static struct gw_str texts[SIZES];
static struct gw_hooks *nothing, *hooks[WORKS][WAYS];
static double us[SIZES][WORKS][WAYS][MAX_ROUNDS];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "view_bench: %s: %s\n", what, why);
    exit(1);
}

static void on_done(struct gw_hook_call *c)
{
    if (c->verdict == GW_HOOK_FAILED)
        die("a script", c->text);
}

static double measure(struct gw_hooks *h, struct gw_str text, struct gw_arena *mem, long n)
{
    int64_t began = gw_clock_mono_ns();

    for (long i = 0; i < n; i++) {
        struct gw_event ev;
        struct gw_hook_call c = {.mem = mem, .event = &ev, .kind = GW_OTHER, .done = on_done};

        gw_arena_reset(mem);
        gw_event_init(&ev, mem);
        gw_event_lend(&ev, GW_STR("id"), GW_STR("1"));
        gw_event_lend(&ev, GW_STR("source"), GW_STR("/bench"));
        gw_event_lend(&ev, GW_STR("type"), GW_STR("t"));
        ev.data = text;
        ev.data_kind = GW_DATA_JSON;
        gw_hooks_start(h, &c);
    }
    return (double)(gw_clock_mono_ns() - began) / (double)n / 1000;
}

static struct gw_hooks *open_hook(const char *body)
{
    static struct gw_hooks_conf confs[1 + WORKS * WAYS];
    static struct gw_strs scripts[1 + WORKS * WAYS];
    static const char *paths[1 + WORKS * WAYS];
    static struct gw_style_conf style;
    static int n;
    static char names[1 + WORKS * WAYS][64];
    struct gw_hooks *h;
    struct gw_err err;
    FILE *f;

    snprintf(names[n], sizeof(names[n]), "/tmp/view_bench.%ld.%d.lua", (long)getpid(), n);
    f = fopen(names[n], "w");
    if (!f || fprintf(f, "local m = require 'moongate' return function(e) %s end\n", body) < 0 ||
        fclose(f))
        die("cannot write", names[n]);
    paths[n] = names[n];
    scripts[n] = (struct gw_strs){&paths[n], 1};
    confs[n] = (struct gw_hooks_conf){
        .pipeline = "bench",
        .scripts = &scripts[n],
        .limits = {.instructions = 10000000, .memory = 64 << 20, .timeout_ms = 5000},
        .style = &style,
        .lua_path = "lua"};
    h = gw_hooks_open(&confs[n], &err);
    unlink(names[n]);
    if (!h)
        die("a script", err.msg);
    n++;
    return h;
}

/* An order: two members, a list in between that makes up its size. */
static struct gw_str make_text(struct gw_arena *mem, size_t size)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_buf_puts(&b, "{\"id\":\"o-1\",\"customer\":{\"name\":\"Ann\",\"mail\":\"ann@example.org\"},"
                    "\"items\":[{\"count\":0}");
    for (int i = 1; b.len < size; i++)
        gw_buf_printf(
            &b, ",{\"sku\":\"sku-%d\",\"count\":%d,\"price\":1.25,\"tags\":[\"a\",\"b\"]}", i, i);
    gw_buf_puts(&b, "],\"total\":12.5}");
    return gw_buf_str(&b);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void one_round(struct gw_arena *mem, long n, int round)
{
    for (int s = 0; s < SIZES; s++) {
        long calls = s ? n / 50 + 1 : n;
        double floor = measure(nothing, texts[s], mem, calls);

        for (size_t w = 0; w < WORKS; w++)
            for (int way = 0; way < WAYS; way++)
                us[s][w][way][round] = measure(hooks[w][way], texts[s], mem, calls) - floor;
    }
}

static void print(int rounds)
{
    printf("%-28s %8s %12s %12s %7s\n", "", "bytes", "view us", "decode us", "ratio");
    for (size_t w = 0; w < WORKS; w++)
        for (int s = 0; s < SIZES; s++) {
            double *view = us[s][w][0], *decode = us[s][w][1];

            qsort(view, (size_t)rounds, sizeof(*view), by_size);
            qsort(decode, (size_t)rounds, sizeof(*decode), by_size);
            printf("%-28s %8zu %12.2f %12.2f %7.1f\n", works[w].name, texts[s].len,
                   view[rounds / 2], decode[rounds / 2], decode[rounds / 2] / view[rounds / 2]);
        }
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"n", required_argument, NULL, 'n'}, {"rounds", required_argument, NULL, 'r'}, {0}};
    struct gw_arena *mem = gw_arena_new(), *kept = gw_arena_new();
    long n = 20000, rounds = 5;
    int o;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == '?')
            return 2;
        *(o == 'n' ? &n : &rounds) = strtol(optarg, NULL, 10);
    }
    if (n < 1 || rounds < 1 || rounds > MAX_ROUNDS)
        die("--n is at least 1, --rounds", "1 to 101");
    nothing = open_hook("");
    for (size_t w = 0; w < WORKS; w++) {
        hooks[w][0] = open_hook(works[w].view);
        hooks[w][1] = open_hook(works[w].decode);
    }
    for (int s = 0; s < SIZES; s++)
        texts[s] = make_text(kept, sizes[s]);
    for (int i = 0; i < rounds; i++)
        one_round(mem, n, i);
    print((int)rounds);
    for (size_t w = 0; w < WORKS; w++)
        for (int way = 0; way < WAYS; way++)
            gw_hooks_close(hooks[w][way]);
    gw_hooks_close(nothing);
    gw_arena_free(kept);
    gw_arena_free(mem);
    return 0;
}
