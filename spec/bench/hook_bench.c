/* What the hooks cost by themselves, in one thread: making the event of a task's request, and that
 * with scripts. Rounds go over all rows in turn; each row prints the smallest, the middle and the
 * largest of its costs above the row without hooks.
 *   build/release/hook_bench [--n CALLS] [--rounds N] [--only WORDS_OF_A_ROW] */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/field.h"
#include "event/event.h"
#include "flyte/flyte.h"
#include "hook/flyte_client.h"
#include "hook/hook.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ROUNDS = 101 };

static const char task[] =
    "{\"requestId\":\"r\",\"event\":{\"taskId\":{\"resourceType\":\"TASK\",\"project\":"
    "\"flytesnacks\",\"domain\":\"development\",\"name\":\"core.train\",\"version\":\"v1\"},"
    "\"parentNodeExecutionId\":{\"nodeId\":\"n0\",\"executionId\":{\"project\":\"flytesnacks\","
    "\"domain\":\"development\",\"name\":\"f5c0ffee\"}},\"retryAttempt\":1,\"phase\":\"FAILED\","
    "\"producerId\":\"propeller\",\"occurredAt\":\"2026-01-02T03:04:05.678Z\",\"error\":{"
    "\"code\":\"USER:Unknown\",\"message\":\"out of patience\",\"kind\":\"USER\"}}}";

static const char skipped[] = "return {event_types = {'workflow'}, on_event = function() end}\n";
static const char nothing[] = "return function() end\n";
static const char facts[] =
    "return function(event, request, flyte)\n"
    "  if flyte.project ~= 'flytesnacks' or not flyte.failed then return false end\n"
    "end\n";
static const char team[] =
    "local moongate = require 'moongate'\n"
    "return function(event, request, flyte)\n"
    "  local id = request.event.task_id\n"
    "  if id.project ~= 'flytesnacks' or flyte.phase ~= 'FAILED' then return false end\n"
    "  event.team = 'ml'\n"
    "  event.task = id.name\n"
    "  moongate.rename(event, 'jsonschemaurl', 'dataschema')\n"
    "end\n";

/* A message of a descriptor set, spec/golden/flyteidl-events.desc. */
static const char v2_made[] =
    "local pb = require('moongate').proto.load('set.desc')\n"
    "return function(event, request, flyte)\n"
    "  local v2 = pb:new('flyteidl.event.NodeExecutionEvent', {node_name = flyte.node,\n"
    "    phase = flyte.phase, producer_id = 'p', occurred_at = request.event.occurred_at,\n"
    "    id = {node_id = flyte.node, execution_id = {project = flyte.project, name = "
    "flyte.execution}}})\n"
    "  event.data = v2\n"
    "end\n";
static const char v2_read[] =
    "local pb = require('moongate').proto.load('set.desc')\n"
    "return function(event)\n"
    "  local v1 = pb:decode('flyteidl.admin.TaskExecutionEventRequest', event.data)\n"
    "  if v1.event.task_id.name == '' then return false end\n"
    "end\n";

struct row {
    const char *name, *script, *again; /* again: a second script */
    enum gw_style in;                  /* the style the event is made in */
    int asks;                          /* FlyteAdmin's answers are kept */
    struct gw_hooks *hooks;
    struct gw_hooks_conf conf;
    struct gw_strs scripts;
    const char *paths[2];
    double us[MAX_ROUNDS];
};
static struct row rows[] = {
    {.name = "no hooks"},
    {.name = "a hook that does nothing", .script = nothing},
    {.name = "the same beside one skipped by event_types", .script = nothing, .again = skipped},
    {.name = "two facts", .script = facts},
    {.name = "three reads, two sets, a rename", .script = team},
    {.name = "a message of a set made, sent as data", .script = v2_made},
    {.name = "one decoded from data, a read", .script = v2_read},
    {.name = "style flyteadmin, made in C", .in = GW_STYLE_FLYTEADMIN},
    {.name = "style flyteadmin-v2 without FlyteAdmin", .in = GW_STYLE_FLYTEADMIN_V2},
    {.name = "style flyteadmin-v2 with kept answers", .in = GW_STYLE_FLYTEADMIN_V2, .asks = 1},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static struct gw_style_conf styles[GW_STYLES];
static const struct gw_flyte_client_conf admin = {.address = "127.0.0.1:1"};
static struct gw_str bytes;
static const char *only = ""; /* rows to run, beside the first */

static void die(const char *what, const char *why)
{
    fprintf(stderr, "hook_bench: %s: %s\n", what, why);
    exit(1);
}

static void on_done(struct gw_hook_call *c)
{
    if (c->verdict == GW_HOOK_FAILED || c->verdict == GW_HOOK_RETRY)
        die("a script", c->text);
}

static void one_call(const struct row *r, struct gw_arena *mem)
{
    struct gw_flyte_request request;
    struct gw_flyte facts_of;
    struct gw_event ev;
    struct gw_hook_call c = {.mem = mem,
                             .event = &ev,
                             .request = &request,
                             .flyte = &facts_of,
                             .kind = GW_TASK,
                             .seed = 7,
                             .received_at_ns = 1,
                             .done = on_done};
    struct gw_err err;

    gw_arena_reset(mem);
    gw_event_init(&ev, mem);
    if (gw_flyte_decode(mem, GW_TASK, bytes, &request, &err) ||
        gw_style_make(&styles[r->in], &request, &ev, &err))
        die("the event", err.msg);
    gw_flyte_facts(mem, &request, &facts_of);
    if (r->hooks)
        gw_hooks_start(r->hooks, &c);
}

/* The thread's own time: other work on the machine is not in it. */
static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static double measure(const struct row *r, struct gw_arena *mem, long n)
{
    int64_t began = cpu_ns();

    for (long i = 0; i < n; i++)
        one_call(r, mem);
    return (double)(cpu_ns() - began) / (double)n / 1000;
}

/* Of the scripts, with the set beside them. */
static const char *folder(void)
{
    static char name[] = "/tmp/hook_bench.XXXXXX";
    static int made;
    char to[512], at[100];

    if (made)
        return name;
    made = 1;
    if (!mkdtemp(name) || !getcwd(at, sizeof(at)))
        die("cannot make", name);
    snprintf(to, sizeof(to), "%s/spec/golden/flyteidl-events.desc", at);
    snprintf(at, sizeof(at), "%s/set.desc", name);
    if (symlink(to, at))
        die("cannot write", at);
    return name;
}

static const char *write_script(const char *text)
{
    static int n;
    char *path = malloc(100);
    FILE *f;

    if (!path)
        abort();
    snprintf(path, 100, "%s/%d.lua", folder(), n++);
    f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f))
        die("cannot write", path);
    return path;
}

static int is_wanted(const struct row *r)
{
    return r == rows || strstr(r->name, only);
}

static void open_row(struct row *r)
{
    struct gw_err err;

    if (!r->script && r->in != GW_STYLE_FLYTEADMIN_V2)
        return;
    if (r->script)
        r->paths[r->scripts.n++] = write_script(r->script);
    if (r->again)
        r->paths[r->scripts.n++] = write_script(r->again);
    r->scripts.items = r->paths;
    r->conf = (struct gw_hooks_conf){
        .pipeline = "bench",
        .scripts = &r->scripts,
        .limits = {.instructions = 1000000, .memory = 32 << 20, .timeout_ms = 5000},
        .style = &styles[r->in],
        .flyteadmin = r->asks ? &admin : NULL,
        .lua_path = "lua"};
    r->hooks = gw_hooks_open(&r->conf, &err);
    if (!r->hooks)
        die("a script", err.msg);
    for (size_t i = 0; i < r->scripts.n; i++)
        unlink(r->paths[i]);
}

static void leave(void)
{
    char set[100];

    snprintf(set, sizeof(set), "%s/set.desc", folder());
    unlink(set);
    rmdir(folder());
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void report(struct row *r, int rounds)
{
    double over[MAX_ROUNDS];

    for (int i = 0; i < rounds; i++)
        over[i] = r == rows ? r->us[i] : r->us[i] - rows[0].us[i];
    qsort(over, (size_t)rounds, sizeof(*over), by_size);
    printf("%-45s %s%.3f / %.3f / %.3f us\n", r->name, r == rows ? " " : "+", over[0],
           over[rounds / 2], over[rounds - 1]);
}

static void encode_task(void)
{
    struct gw_arena *mem = gw_arena_new(); /* kept: bytes are in it */
    struct gw_flyte_request request;
    struct gw_err err;

    if (gw_flyte_decode_json(mem, GW_TASK, gw_str_of(task), &request, &err))
        die("the request", err.msg);
    bytes = request.bytes;
}

/* The execution of the task, with a label, as if FlyteAdmin had been asked for it. */
static void keep_answer(void)
{
    static const char get[] = "\x0a\x24\x0a\x0b"
                              "flytesnacks\x12\x0b"
                              "development\x22\x08"
                              "f5c0ffee";
    static const char execution[] = "\x12\x10\x3a\x0e\x0a\x0c\x0a\x04"
                                    "team\x12\x04"
                                    "ml-1";
    struct gw_flyte_client *client = gw_flyte_client_hold(&admin); /* held to the end */

    gw_flyte_client_keep(client, GW_ASK_EXECUTION, (struct gw_str){get, sizeof(get) - 1}, 1,
                         (struct gw_str){execution, sizeof(execution) - 1});
}

static void run(struct gw_arena *mem, long n, int rounds)
{
    for (int k = 0; k < rounds; k++)
        for (size_t i = 0; i < ROWS; i++)
            if (is_wanted(&rows[i]))
                rows[i].us[k] = measure(&rows[i], mem, n);
    for (size_t i = 0; i < ROWS; i++)
        if (is_wanted(&rows[i]))
            report(&rows[i], rounds);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"n", 1, NULL, 'n'}, {"rounds", 1, NULL, 'r'}, {"only", 1, NULL, 'o'}, {NULL, 0, NULL, 0}};
    struct gw_arena *mem = gw_arena_new();
    int rounds = 9, o;
    long n = 100000;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'n')
            n = strtol(optarg, NULL, 10);
        else if (o == 'r')
            rounds = (int)strtol(optarg, NULL, 10);
        else if (o == 'o')
            only = optarg;
        else
            return 2;
    }
    if (n < 1 || rounds < 1 || rounds > MAX_ROUNDS)
        die("options", "--n is at least 1, --rounds 1 to 101");
    for (int i = 0; i < GW_STYLES; i++)
        styles[i] =
            (struct gw_style_conf){.style = (enum gw_style)i,
                                   .source = GW_STR("https://github.com/flyteorg/flyteadmin"),
                                   .id_spacing = 2};
    encode_task();
    keep_answer();
    for (size_t i = 0; i < ROWS; i++)
        if (is_wanted(&rows[i]))
            open_row(&rows[i]);
    leave();
    run(mem, n, rounds);
    for (size_t i = 0; i < ROWS; i++)
        gw_hooks_close(rows[i].hooks);
    gw_arena_free(mem);
    return 0;
}
