/* What an event in structured JSON costs to read and to write, in one thread, beside jansson (a
 * tree), which is looked for at run time. Rounds go over all rows in turn; prints the middle of
 * each row's costs and the ratio. build/release/json_bench [--n EVENTS] [--rounds N] */
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"

#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_ROUNDS = 101, READ_OURS = 0, READ_TREE, WRITE_OURS, WRITE_TREE, ROWS };

/* A task's event of the documented style with `data: json`. */
static const char text[] =
    "{\"specversion\":\"1.0\",\"id\":\"flytesnacks:development:a5c7b2f0d1e94c:n0:"
    "workflows.train.fit:v1.16.8:0:RUNNING:3\",\"source\":\"https://github.com/flyteorg/"
    "flyteadmin\","
    "\"type\":\"com.flyte.resource.task\",\"subject\":\"admin_event_pb2."
    "TaskExecutionEventRequest\","
    "\"time\":\"2026-04-07T06:50:01.123456789Z\",\"datacontenttype\":\"application/json\","
    "\"jsonschemaurl\":\"https://github.com/flyteorg/flyteidl/blob/master/jsonschema/"
    "task_execution.json\",\"data\":{\"event\":{\"taskId\":{\"resourceType\":\"TASK\",\"project\":"
    "\"flytesnacks\",\"domain\":\"development\",\"name\":\"workflows.train.fit\",\"version\":"
    "\"v1.16.8\"},\"parentNodeExecutionId\":{\"nodeId\":\"n0\",\"executionId\":{\"project\":"
    "\"flytesnacks\",\"domain\":\"development\",\"name\":\"a5c7b2f0d1e94c\"}},\"phase\":"
    "\"RUNNING\","
    "\"producerId\":\"propeller\",\"logs\":[{\"uri\":\"https://logs.example.com/namespaces/"
    "flytesnacks-development/pods/a5c7b2f0d1e94c-n0-0?container=main\",\"name\":\"Kubernetes Logs "
    "(User)\",\"messageFormat\":\"JSON\"}],\"occurredAt\":\"2026-04-07T06:50:01.123456789Z\","
    "\"phaseVersion\":3,\"reason\":\"task submitted to "
    "K8s\",\"taskType\":\"python-task\",\"metadata\":"
    "{\"generatedName\":\"a5c7b2f0d1e94c-n0-0\",\"pluginIdentifier\":\"container\"},"
    "\"eventVersion\":1}}}";

static struct {
    void *(*load)(const char *p, size_t n, size_t flags, void *err); /* json_loadb */
    char *(*dump)(const void *json, size_t flags);                   /* json_dumps */
    void (*destroy)(void *json);                                     /* json_delete */
} tree;
static double us[ROWS][MAX_ROUNDS];

static void die(const char *why)
{
    fprintf(stderr, "json_bench: %s\n", why);
    exit(1);
}

/* The thread's own time. */
static double own_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void find_tree(void)
{
    void *lib = dlopen("libjansson.so.4", RTLD_NOW);

    if (!lib)
        die("there is no jansson: apt-get install libjansson4");
    *(void **)&tree.load = dlsym(lib, "json_loadb");
    *(void **)&tree.dump = dlsym(lib, "json_dumps");
    *(void **)&tree.destroy = dlsym(lib, "json_delete");
    if (!tree.load || !tree.dump || !tree.destroy)
        die("jansson has other names");
}

static void read_ours(struct gw_arena *mem, struct gw_event *ev)
{
    struct gw_err err;

    gw_arena_reset(mem);
    gw_event_init(ev, mem);
    if (gw_event_json_read(ev, (struct gw_str){text, sizeof(text) - 1}, &err))
        die(err.msg);
}

static void *read_tree(void)
{
    void *json = tree.load(text, sizeof(text) - 1, 0, NULL);

    if (!json)
        die("jansson does not read it");
    return json;
}

static double measure(int row, long n, struct gw_arena *mem, struct gw_buf *out)
{
    enum { COMPACT = 0x20 };
    struct gw_event ev;
    void *json = read_tree();
    double began;

    read_ours(mem, &ev);
    began = own_us();
    for (long i = 0; i < n; i++) {
        switch (row) {
        case READ_OURS:
            read_ours(mem, &ev);
            break;
        case READ_TREE:
            tree.destroy(read_tree());
            break;
        case WRITE_OURS:
            gw_buf_clear(out);
            gw_event_json_put(out, &ev);
            break;
        default:
            free(tree.dump(json, COMPACT));
        }
    }
    began = own_us() - began;
    tree.destroy(json);
    return began / (double)n;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static double middle(int row, int rounds)
{
    qsort(us[row], (size_t)rounds, sizeof(us[0][0]), by_size);
    return us[row][rounds / 2];
}

static void show(const char *what, int ours, int rounds)
{
    const double a = middle(ours, rounds), b = middle(ours + 1, rounds);

    printf("%-6s %6.2f us   jansson %6.2f us   %5.1f times\n", what, a, b, b / a);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"n", required_argument, NULL, 'n'}, {"rounds", required_argument, NULL, 'r'}, {0}};
    struct gw_arena *mem = gw_arena_new();
    struct gw_buf out;
    long n = 20000;
    int rounds = 9, c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'n')
            n = strtol(optarg, NULL, 10);
        else if (c == 'r')
            rounds = (int)strtol(optarg, NULL, 10);
        else
            return 2;
    }
    if (n < 1 || rounds < 1 || rounds > MAX_ROUNDS)
        die("--n from 1, --rounds from 1 to 101");
    find_tree();
    gw_buf_init(&out, 1 << 20, NULL);
    for (int r = 0; r < rounds; r++)
        for (int row = 0; row < ROWS; row++)
            us[row][r] = measure(row, n, mem, &out);
    printf("an event of %zu bytes, %d rounds of %ld\n", sizeof(text) - 1, rounds, n);
    show("read", READ_OURS, rounds);
    show("write", WRITE_OURS, rounds);
    gw_buf_free(&out);
    gw_arena_free(mem);
    return 0;
}
