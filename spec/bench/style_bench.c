/* What making an event costs in each style, in one thread: of every request of the golden streams,
 * of one whose error is 64 KiB long, of one with 300 values. Rounds go over all rows in turn; each
 * row prints the smallest, the middle and the largest of its costs above decoding alone, and the
 * middle, decoding included, as a multiple of the documented style's.
 *   build/release/style_bench [--n TURNS] [--rounds N] */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "event/event.h"
#include "flyte/flyte.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_ROUNDS = 101, MAX_REQUESTS = 200 };

struct request {
    enum gw_kind kind;
    struct gw_str bytes;
};

struct load {
    const char *name;
    struct request requests[MAX_REQUESTS];
    size_t n, bytes;
    long turns; /* for each of --n */
};

struct row {
    const char *name;
    int made; /* 0: decoded alone */
    struct gw_style_conf conf;
    double us[MAX_ROUNDS];
};
static struct row rows[] = {
    {.name = "decoded alone"},
    {.name = "documented", .made = 1},
    {.name = "documented, data: json", .made = 1, .conf = {.json = 1}},
    {.name = "flyteadmin-external", .made = 1, .conf = {.style = GW_STYLE_FLYTEADMIN_EXTERNAL}},
    {.name = "flyteadmin", .made = 1, .conf = {.style = GW_STYLE_FLYTEADMIN, .id_spacing = 2}},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]), DOCUMENTED = 1 };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "style_bench: %s: %s\n", what, why);
    exit(1);
}

/* ---- what there is to make events of ---- */

static void add(struct load *l, struct gw_arena *mem, enum gw_kind kind, struct gw_str json)
{
    struct gw_flyte_request r;
    struct gw_err err;

    if (l->n == MAX_REQUESTS || gw_flyte_decode_json(mem, kind, json, &r, &err))
        die("a request", l->n == MAX_REQUESTS ? "too many" : err.msg);
    l->requests[l->n++] = (struct request){kind, r.bytes};
    l->bytes += r.bytes.len;
}

/* {"kind":…,"request":…} */
static void add_line(struct load *l, struct gw_arena *mem, struct gw_str line)
{
    enum gw_kind kind = GW_OTHER;
    struct gw_str request = {0};
    struct gw_json j;

    gw_json_init(&j, line, 500);
    (void)gw_json_next(&j);
    while (gw_json_next(&j) == GW_JSON_KEY) {
        int is_kind = gw_json_is(&j, "kind"), is_request = gw_json_is(&j, "request");
        struct gw_str raw;

        if (gw_json_value(&j, &raw))
            die("a stream", "not JSON");
        if (is_kind)
            (void)gw_kind_parse((struct gw_str){raw.p + 1, raw.len - 2}, &kind);
        if (is_request)
            request = raw;
    }
    add(l, mem, kind, request);
}

static void add_stream(struct load *l, struct gw_arena *mem, const char *name)
{
    char path[200], *line = NULL;
    size_t cap = 0;
    ssize_t n;
    FILE *f;

    (void)snprintf(path, sizeof(path), "spec/golden/streams/%s.jsonl", name);
    f = fopen(path, "r");
    if (!f)
        die(path, "cannot be read (run it in the project's folder)");
    while ((n = getline(&line, &cap, f)) > 0)
        add_line(l, mem, (struct gw_str){line, (size_t)n});
    free(line);
    fclose(f);
}

static void add_error(struct load *l, struct gw_arena *mem)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_buf_puts(&b, "{\"event\":{\"phase\":\"FAILED\",\"error\":{\"message\":\"");
    for (int i = 0; i < 1 << 10; i++) /* a line is 64 bytes */
        gw_buf_puts(&b, "  File '/usr/lib/python3.11/site-packages/x.py', line 1, in <m>\\n");
    gw_buf_puts(&b, "\"}}}");
    add(l, mem, GW_WORKFLOW, gw_buf_str(&b));
}

static void add_values(struct load *l, struct gw_arena *mem)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_buf_puts(&b, "{\"event\":{\"phase\":\"SUCCEEDED\",\"customInfo\":{");
    for (int i = 0; i < 300; i++)
        gw_buf_printf(&b, "%s\"key%d\":%s", i ? "," : "", i * 7919 % 1000,
                      i % 3 == 0   ? "0.1"
                      : i % 3 == 1 ? "{\"a\":[1,2,3],\"b\":true}"
                                   : "\"a value\"");
    gw_buf_puts(&b, "}}}");
    add(l, mem, GW_TASK, gw_buf_str(&b));
}

/* ---- measuring ---- */

static void one(const struct row *row, const struct request *request, struct gw_arena *mem)
{
    struct gw_flyte_request r;
    struct gw_event ev;
    struct gw_err err;

    gw_arena_reset(mem);
    gw_event_init(&ev, mem);
    if (gw_flyte_decode(mem, request->kind, request->bytes, &r, &err) ||
        (row->made && gw_style_make(&row->conf, &r, &ev, &err)))
        die(row->name, err.msg);
}

/* The thread's own time: other work on the machine is not in it. */
static int64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Microseconds an event. */
static double measure(const struct row *row, const struct load *l, struct gw_arena *mem, long turns)
{
    int64_t began = cpu_ns();

    for (long i = 0; i < turns; i++)
        for (size_t k = 0; k < l->n; k++)
            one(row, &l->requests[k], mem);
    return (double)(cpu_ns() - began) / (double)turns / (double)l->n / 1000;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double sort_costs(const struct row *r, double *out, int rounds)
{
    for (int i = 0; i < rounds; i++)
        out[i] = r == rows ? r->us[i] : r->us[i] - rows[0].us[i];
    qsort(out, (size_t)rounds, sizeof(*out), by_size);
    return out[rounds / 2];
}

static void report(const struct load *l, int rounds)
{
    double costs[MAX_ROUNDS], decoded = sort_costs(rows, costs, rounds);
    double documented = sort_costs(&rows[DOCUMENTED], costs, rounds);

    printf("%s (%zu bytes a request)\n", l->name, l->bytes / l->n);
    for (size_t i = 0; i < ROWS; i++) {
        double middle = sort_costs(&rows[i], costs, rounds);

        printf("  %-24s %s%.3f / %.3f / %.3f us", rows[i].name, i ? "+" : " ", costs[0], middle,
               costs[rounds - 1]);
        if (i > DOCUMENTED)
            printf("  %.2f", (middle + decoded) / (documented + decoded));
        putchar('\n');
    }
}

static void run(const struct load *l, long n, int rounds)
{
    struct gw_arena *mem = gw_arena_new();

    for (int k = 0; k < rounds; k++)
        for (size_t i = 0; i < ROWS; i++)
            rows[i].us[k] = measure(&rows[i], l, mem, n * l->turns);
    report(l, rounds);
    gw_arena_free(mem);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"n", 1, NULL, 'n'}, {"rounds", 1, NULL, 'r'}, {NULL, 0, NULL, 0}};
    static struct load loads[] = {{.name = "events of whole executions", .turns = 1},
                                  {.name = "an error of 64 KiB", .turns = 10},
                                  {.name = "300 values", .turns = 5}};
    struct gw_arena *mem = gw_arena_new(); /* the requests */
    int rounds = 9, o;
    long n = 200;

    while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (o == 'n')
            n = strtol(optarg, NULL, 10);
        else if (o == 'r')
            rounds = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (n < 1 || rounds < 1 || rounds > MAX_ROUNDS)
        die("options", "--n is at least 1, --rounds 1 to 101");
    for (size_t i = 0; i < ROWS; i++)
        rows[i].conf.source = GW_STR("https://github.com/flyteorg/flyteadmin");
    add_stream(&loads[0], mem, "success");
    add_stream(&loads[0], mem, "failure-retries");
    add_stream(&loads[0], mem, "dynamic-map-subworkflow");
    add_error(&loads[1], mem);
    add_values(&loads[2], mem);
    for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++)
        run(&loads[i], n, rounds);
    gw_arena_free(mem);
    return 0;
}
