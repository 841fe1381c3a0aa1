/* A whole pipeline on a log in memory: what its threads make of records. */
#include "pipeline/pipeline.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/metrics.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "log/log.h"
#include "net/loop.h"
#include "publish/publish_file.h"
#include "test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rig {
    struct gw_problems p;
    struct gw_log *log;
    struct gw_loop *loop;
    struct gw_metrics *metrics;
    struct gw_pipeline *pipeline;
    int kept;
};

static struct rig rig;
static atomic_int failing, syncs;
static int fail_first, fail_last; /* these syncs fail too */

static int fake_sync(int fd)
{
    const int n = ++syncs;

    (void)fd;
    errno = EIO;
    return failing || (n >= fail_first && n <= fail_last) ? -1 : 0;
}

static void quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static void begin(void)
{
    const struct gw_log_conf conf = {
        .type = GW_LOG_MEMORY, .max_bytes = 64 << 20, .segment_bytes = 1 << 20};
    struct gw_err err;

    gw_diag_sink = quiet;
    gw_publish_file_sync = fake_sync;
    rig.p.mem = gw_arena_new();
    rig.metrics = gw_metrics_new();
    rig.loop = gw_loop_new();
    rig.log = gw_log_open(&conf, rig.metrics, NULL, NULL, &err);
    CHECK(rig.log);
}

static struct gw_pipeline_conf *conf_of(const char *yaml)
{
    struct gw_pipeline_conf *c = gw_arena_zalloc(rig.p.mem, sizeof(*c));
    struct gw_yaml *y = gw_yaml_parse("m.yaml", gw_str_of(yaml), 1, 1, &rig.p);

    CHECK(y);
    gw_fields_read(gw_pipeline_fields, y, c, &rig.p, "pipeline");
    c->source = "/gateway";
    c->lua_path = gw_arena_printf(rig.p.mem, "%s/lua", spec_root()).p;
    c->yaml = y;
    gw_pipeline_check(c, &rig.p);
    for (size_t i = 0; i < rig.p.n; i++)
        fprintf(stderr, "%s\n", rig.p.items[i].text);
    CHECK(!rig.p.n);
    return c;
}

static void start(const char *yaml)
{
    struct gw_err err;

    rig.pipeline = gw_pipeline_start(conf_of(yaml), rig.log, rig.metrics, &err);
    CHECK(rig.pipeline);
}

static void stop(int64_t deadline_ms)
{
    gw_pipeline_stop(rig.pipeline, deadline_ms);
    gw_pipeline_join(rig.pipeline);
    rig.pipeline = NULL;
}

static void finish(void)
{
    if (rig.pipeline)
        stop(0);
    gw_log_close(rig.log);
    gw_metrics_free(rig.metrics);
    gw_loop_free(rig.loop);
    gw_arena_free(rig.p.mem);
}

static void on_kept(struct gw_mail *m)
{
    CHECK(!GW_CONTAINER(m, struct gw_append, mail)->failed);
    rig.kept = 1;
}

static void append(const struct gw_record *r)
{
    struct gw_buf b;
    struct gw_log_entry e = {.key_hash = gw_hash64(r->key), .kind = r->kind, .received_at_ns = 1};
    struct gw_append a = {.mail = {.fn = on_kept}, .reply = rig.loop, .entries = &e, .n = 1};
    struct gw_err err;

    gw_buf_init(&b, 1 << 20, NULL);
    gw_record_put(&b, r);
    e.bytes = gw_buf_str(&b);
    a.reserved = gw_record_size(r);
    CHECK(!gw_log_reserve(rig.log, a.reserved, &err));
    rig.kept = 0;
    gw_log_append(rig.log, &a);
    while (!rig.kept)
        gw_loop_turn(rig.loop, 1);
    gw_buf_free(&b);
}

static void append_event(const char *id, const char *key)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev;
    struct gw_buf b;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    gw_buf_init(&b, 1 << 20, mem);
    gw_event_protobuf_put(&b, &ev);
    append(&(struct gw_record){.kind = GW_OTHER,
                               .ingest = GW_STR("http"),
                               .received_at_ns = 1,
                               .key = gw_str_of(key),
                               .traceparent = GW_STR("00-trace"),
                               .payload = gw_buf_str(&b)});
    gw_arena_free(mem);
}

static void append_many(int n, int keys)
{
    char id[20], key[20];

    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof(id), "%06d", i);
        snprintf(key, sizeof(key), "k%d", i % keys);
        append_event(id, key);
    }
}

static struct gw_cursor_stats stats(void)
{
    struct gw_pipeline_status s;
    struct gw_cursor_stats c;

    gw_pipeline_status(rig.pipeline, &s);
    gw_cursor_stats(s.cursor, &c);
    CHECK(c.accepted == c.published + c.filtered + c.dead_lettered + c.lag);
    return c;
}

/* Bounded by the test's alarm. */
#define UNTIL(x)                                                                                   \
    while (!(x))                                                                                   \
    usleep(500)

static int is_up(void)
{
    struct gw_pipeline_status s;

    gw_pipeline_status(rig.pipeline, &s);
    return s.up;
}

static const char *last_error(void)
{
    static struct gw_pipeline_status s;

    gw_pipeline_status(rig.pipeline, &s);
    return s.last_error;
}

static int64_t metric(enum gw_metric family, const char *label)
{
    return gw_metrics_counter(rig.metrics, family, "p", label)->value;
}

/* What the file holds, NUL-terminated. */
static const char *text_of(const char *path)
{
    static char out[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(out, 1, sizeof(out) - 1, f) : 0;

    if (f)
        fclose(f);
    out[n] = '\0';
    return out;
}

/* The ids in a file, and that each is there once: their count. */
static int ids_of(const char *path, int *ids, int max)
{
    const char *at = text_of(path);
    int n = 0;

    for (; (at = strstr(at, "\"id\":\"")) && n < max; n++) {
        char *end;

        ids[n] = (int)strtol(at += 6, &end, 10);
    }
    return n;
}

static void script(const char *text)
{
    FILE *f = fopen("h.lua", "w");

    CHECK(f && fputs(text, f) >= 0 && !fclose(f));
}

#define P     "name: p\nstart: retained\n"
#define FILE_ "publisher: {type: file, path: out}\n"

TEST(test_pipeline_publishes_every_record_once_and_in_order)
{
    enum { N = 500 };
    int ids[N + 1];

    begin();
    start(P FILE_);
    append_many(N, 7);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == N && is_up());
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    CHECK(metric(GW_M_EVENTS_PUBLISHED, NULL) == N && metric(GW_M_MESSAGES_PUBLISHED, NULL) == N);
    finish();
}

TEST(test_pipeline_workers_share_the_records_and_keep_each_key_in_order)
{
    enum { N = 600, KEYS = 11 };
    int ids[N + 1], next[KEYS];

    begin();
    append_many(N, KEYS);
    start(P FILE_ "workers: 3\nmax_in_flight: 30\n");
    UNTIL(stats().lag == 0);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    for (int k = 0; k < KEYS; k++)
        next[k] = k;
    for (int i = 0; i < N; i++) {
        CHECK(ids[i] == next[ids[i] % KEYS]);
        next[ids[i] % KEYS] += KEYS;
    }
    finish();
}

TEST(test_pipeline_keeps_in_the_log_what_was_not_delivered_at_a_stop)
{
    enum { N = 50 };
    int ids[N + 1];

    begin();
    start(P FILE_ "retry: {initial: 1ms, max: 1ms}\n");
    failing = 1;
    append_many(N, 3);
    UNTIL(!is_up());
    CHECK(stats().lag == N && strstr(last_error(), "out: write"));
    CHECK(metric(GW_M_PIPELINE_UP, NULL) == 0 && metric(GW_M_PUBLISH_RETRIES, NULL) > 0);
    stop(0);
    CHECK(ids_of("out", ids, N + 1) == 0);
    failing = 0;
    start(P FILE_);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == N);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    finish();
}

TEST(test_pipeline_settles_only_what_is_synced)
{
    begin();
    start(P FILE_ "retry: {initial: 1ms, max: 1ms}\n");
    failing = 1;
    append_many(1, 1);
    UNTIL(syncs > 5);
    CHECK(stats().lag == 1 && metric(GW_M_MESSAGES_PUBLISHED, NULL) == 0);
    failing = 0;
    UNTIL(stats().lag == 0);
    CHECK(is_up() && !*last_error());
    finish();
}

TEST(test_pipeline_filters_event_types_by_the_header)
{
    begin();
    start(P FILE_ "event_types: [workflow, task]\n");
    append_many(3, 1);
    UNTIL(stats().lag == 0);
    CHECK(stats().filtered == 3 && metric(GW_M_EVENTS_FILTERED, "event_types") == 3);
    finish();
}

TEST(test_pipeline_makes_dead_letters_of_what_cannot_be_decoded_or_is_too_large)
{
    begin();
    start(P "publisher: {type: file, path: out, max_message_bytes: 200}\n");
    append(&(struct gw_record){.kind = GW_WORKFLOW,
                               .ingest = GW_STR("grpc"),
                               .received_at_ns = 1,
                               .key = GW_STR("k"),
                               .payload = GW_STR("\xff\xff")});
    append_event("this identifier is so long that its event is over two hundred bytes, which is "
                 "more than the configuration allows a message to have, so that it is too large",
                 "k");
    append_event("7", "k");
    UNTIL(stats().lag == 0);
    CHECK(stats().dead_lettered == 2 && stats().published == 1);
    CHECK(metric(GW_M_EVENTS_DEAD_LETTERED, "undecodable") == 1);
    CHECK(metric(GW_M_EVENTS_DEAD_LETTERED, "too_large") == 1);
    finish();
}

TEST(test_pipeline_adds_the_extensions_before_the_hooks)
{
    begin();
    script("return function(e) e.copy = e.traceparent .. '/' .. e.partitionkey end");
    start(P FILE_ "hooks: [h.lua]\nformat: {extensions: [traceparent, partitionkey]}\n");
    append_event("1", "orders");
    UNTIL(stats().lag == 0);
    CHECK(strstr(text_of("out"), "\"copy\":\"00-trace/orders\""));
    finish();
}

/* ---- hooks that fail ---- */

static const char fails_on_2[] = "return function(e) if e.id == '000002' then error('no two') end "
                                 "if e.id == '000003' then return false, 'three' end end";

TEST(test_pipeline_on_hook_error_dead_letter)
{
    begin();
    script(fails_on_2);
    start(P FILE_ "hooks: [h.lua]\n");
    append_many(5, 5);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == 3 && stats().dead_lettered == 1 && stats().filtered == 1);
    CHECK(metric(GW_M_EVENTS_DEAD_LETTERED, "hook_error") == 1);
    CHECK(metric(GW_M_EVENTS_FILTERED, "three") == 1);
    finish();
}

TEST(test_pipeline_on_hook_error_drop)
{
    begin();
    script(fails_on_2);
    start(P FILE_ "hooks: [h.lua]\non_hook_error: drop\n");
    append_many(5, 5);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == 3 && stats().filtered == 2);
    CHECK(metric(GW_M_EVENTS_FILTERED, "hook_error") == 1);
    finish();
}

TEST(test_pipeline_on_hook_error_publish_unchanged)
{
    begin();
    script("return function(e) e.touched = true; error('late') end");
    start(P FILE_ "hooks: [h.lua]\non_hook_error: publish_unchanged\nset: {rule: kept}\n");
    append_many(1, 1);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == 1 && strstr(text_of("out"), "\"rule\":\"kept\""));
    CHECK(!strstr(text_of("out"), "touched"));
    finish();
}

TEST(test_pipeline_on_hook_error_block_holds_every_key_until_the_hook_lets_it_go)
{
    int ids[5];

    begin();
    script("local n = 0\nreturn function(e) if e.id == '000001' then n = n + 1; "
           "if n < 4 then error('not yet') end e.tries = n end end");
    start(P FILE_ "hooks: [h.lua]\non_hook_error: block\nretry: {initial: 30ms, max: 30ms}\n");
    append_many(4, 4);
    UNTIL(!is_up());
    CHECK(stats().published <= 1 && stats().lag >= 3 && strstr(last_error(), "not yet"));
    UNTIL(stats().lag == 0);
    CHECK(is_up() && stats().published == 4);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, 5) == 4);
    for (int i = 0; i < 4; i++)
        CHECK(ids[i] == i);
    CHECK(strstr(text_of("out"), "\"tries\":4"));
    finish();
}

TEST(test_pipeline_a_block_holds_the_other_workers_too)
{
    enum { N = 41 };
    int ids[N + 1];

    begin();
    script("local n = 0\nreturn function(e) if e.id == '000000' then n = n + 1; "
           "if n < 8 then error('not yet') end end end");
    start(P FILE_ "hooks: [h.lua]\non_hook_error: block\nworkers: 4\n"
                  "retry: {initial: 30ms, max: 30ms}\n");
    append_event("000000", "k0");
    UNTIL(!is_up());
    for (int i = 1; i < N; i++) {
        char id[20], key[20];

        snprintf(id, sizeof(id), "%06d", i);
        snprintf(key, sizeof(key), "k%d", i);
        append_event(id, key);
    }
    while (stats().lag) {
        const int64_t published = metric(GW_M_MESSAGES_PUBLISHED, NULL);

        CHECK(is_up() || published == 0);
    }
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    finish();
}

TEST(test_pipeline_retry_holds_back_its_key_only)
{
    int ids[6];

    begin();
    script("local m = require 'moongate'\nlocal n = 0\nreturn function(e) "
           "if e.id == '000000' then n = n + 1; if n < 3 then return m.retry, 'wait' end end end");
    start(P FILE_ "hooks: [h.lua]\nretry: {initial: 20ms, max: 20ms}\n");
    append_many(6, 3); /* 0 and 3 are of one key */
    UNTIL(stats().lag == 0);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, 6) == 6);
    CHECK(ids[0] == 1 && ids[1] == 2 && ids[4] == 0 && ids[5] == 3);
    finish();
}

TEST(test_pipeline_stands_after_five_stopped_hooks_in_a_row)
{
    begin();
    script("return function() while true do end end");
    start(P FILE_ "hooks: [h.lua]\nhook_limits: {instructions: 10000}\n"
                  "retry: {initial: 1h, max: 1h}\n");
    append_many(8, 8);
    UNTIL(!is_up());
    UNTIL(stats().dead_lettered == 4);
    CHECK(stats().lag == 4 && metric(GW_M_EVENTS_DEAD_LETTERED, "hook_budget") == 4);
    stop(0);
    finish();
}

TEST(test_pipeline_with_a_broken_script_is_down_and_comes_up_when_it_is_mended)
{
    begin();
    script("return 7");
    start(P FILE_ "hooks: [h.lua]\nretry: {initial: 5ms, max: 5ms}\n");
    CHECK(!is_up() && strstr(last_error(), "h.lua"));
    append_many(2, 2);
    CHECK(stats().lag == 2);
    script("return function() end");
    UNTIL(stats().lag == 0);
    CHECK(is_up() && stats().published == 2);
    finish();
}

TEST(test_pipeline_a_split_record_counts_once_and_ends_with_its_last_message)
{
    begin();
    script("local m = require 'moongate'\nreturn function(e) return {e, m.copy(e), m.copy(e)} end");
    start(P FILE_ "hooks: [h.lua]\n");
    append_many(2, 1);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == 2 && metric(GW_M_MESSAGES_PUBLISHED, NULL) == 6);
    CHECK(strstr(text_of("out"), "\"id\":\"000001:2\""));
    finish();
}

TEST(test_pipeline_counts_a_hundred_reasons_and_then_other)
{
    begin();
    script("return function(e) return false, 'why ' .. e.id end");
    start(P FILE_ "hooks: [h.lua]\n");
    append_many(130, 1);
    UNTIL(stats().lag == 0);
    CHECK(metric(GW_M_EVENTS_FILTERED, "why 000099") == 1);
    CHECK(metric(GW_M_EVENTS_FILTERED, "why 000100") == 0);
    CHECK(metric(GW_M_EVENTS_FILTERED, "other") == 30);
    finish();
}

/* ---- from outside ---- */

TEST(test_pipeline_that_is_paused_reads_nothing_and_goes_on)
{
    begin();
    start(P FILE_ "workers: 2\n");
    append_many(10, 5);
    UNTIL(stats().lag == 0);
    gw_pipeline_pause(rig.pipeline, 1);
    CHECK(!is_up() && !strcmp(last_error(), "paused") && metric(GW_M_PIPELINE_UP, NULL) == 0);
    append_many(10, 5);
    for (int i = 0; i < 20; i++) {
        usleep(500);
        CHECK(stats().published == 10);
    }
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(stats().lag == 0);
    CHECK(is_up() && !*last_error() && metric(GW_M_PIPELINE_UP, NULL) == 1);
    finish();
}

TEST(test_pipeline_resumed_runs_what_it_stands_at_at_once)
{
    begin();
    script("local n = 0\nreturn function(e) n = n + 1; if n < 2 then error('not yet') end end");
    start(P FILE_ "hooks: [h.lua]\non_hook_error: block\nretry: {initial: 1h, max: 1h}\n");
    append_many(2, 2);
    UNTIL(!is_up());
    CHECK(stats().lag == 2);
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(stats().lag == 0);
    CHECK(is_up() && stats().published == 2);
    finish();
}

TEST(test_pipeline_is_the_same_by_its_values)
{
    static const char base[] = P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\n";
    static const char *const others[] = {
        P FILE_ "set: {a: '1', b: x}\nhooks: [h.lua]\n",
        P FILE_ "set: {a: 1, b: y}\nhooks: [h.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [g.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua, h.lua]\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nparams: {a: [1]}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nretry: {max: 31s}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nrate: 1\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nformat: {data: json}\n",
        P FILE_ "set: {a: 1, b: x}\nhooks: [h.lua]\nenabled: false\n",
        P "publisher: {type: 'null'}\nset: {a: 1, b: x}\nhooks: [h.lua]\n",
        P "publisher: {type: file, path: out, fsync: false}\nset: {a: 1, b: x}\nhooks: [h.lua]\n",
        P "publisher: {type: file, path: out, rotate: {max_bytes: 1}}\nset: {a: 1, b: x}\n"
          "hooks: [h.lua]\n",
    };
    struct gw_pipeline_conf *c, *d;

    begin();
    c = conf_of(base);
    CHECK(gw_pipeline_same(c, conf_of(base)));
    CHECK(gw_pipeline_same(c, conf_of("publisher: {path: out, type: file, fsync: true}\n# moved\n"
                                      "hooks: h.lua\nset: {a: 1, b: x}\nrate: 0\n" P)));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK(!gw_pipeline_same(c, conf_of(others[i])));
    d = conf_of(base);
    d->source = "/other";
    CHECK(!gw_pipeline_same(c, d));
    finish();
}

TEST(test_pipeline_stops_and_starts_again_in_one_process)
{
    begin();
    for (int i = 0; i < 3; i++) {
        start(P FILE_ "workers: 2\n");
        append_many(10, 3);
        UNTIL(stats().lag == 0);
        CHECK(metric(GW_M_EVENTS_PUBLISHED, NULL) == 10 * (i + 1));
        CHECK(stats().published == 10U * (unsigned)(i + 1));
        stop(INT64_MAX);
    }
    finish();
}

/* ---- what waits, and for how long ---- */

static const char stuck_on_0[] =
    "local m = require 'moongate'\n"
    "return function(e) if e.id == '000000' then return m.retry, 'not now' end end";

/* What may go while the first record is stuck: what is within max_in_flight of it, and in each
 * worker's part of that, but for the first one's key. */
static uint64_t may_go(unsigned workers, int keys, unsigned max)
{
    unsigned own[8] = {0}, stuck, w;
    uint64_t n = 0;

    for (unsigned i = 0; i < max; i++) {
        char key[20];

        snprintf(key, sizeof(key), "k%d", i % keys);
        w = (unsigned)(gw_hash64(gw_str_of(key)) % workers);
        stuck = i ? stuck : w;
        if (w == stuck && own[w]++ >= max / workers)
            continue;
        n += i % (unsigned)keys != 0;
    }
    return n;
}

TEST(test_pipeline_a_stuck_key_stops_all_workers_at_max_in_flight)
{
    enum { N = 300, KEYS = 9 };
    int ids[N + 1], next[KEYS];
    const uint64_t some = may_go(3, KEYS, 60);

    begin();
    script(stuck_on_0);
    start(P FILE_ "hooks: [h.lua]\nworkers: 3\nmax_in_flight: 60\nretry: {initial: 1h, max: 1h}\n");
    append_many(N, KEYS);
    UNTIL(stats().published == some);
    for (int i = 0; i < 30; i++) {
        usleep(500);
        CHECK(stats().published == some);
    }
    CHECK(is_up() && !strcmp(last_error(), "not now"));
    stop(0);
    start(P FILE_ "workers: 3\nmax_in_flight: 60\n");
    UNTIL(stats().lag == 0);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    for (int k = 0; k < KEYS; k++)
        next[k] = k;
    for (int i = 0; i < N; i++) {
        CHECK(ids[i] == next[ids[i] % KEYS]);
        next[ids[i] % KEYS] += KEYS;
    }
    finish();
}

TEST(test_pipeline_without_order_waits_for_nothing_of_the_key)
{
    enum { N = 60 };

    begin();
    script(stuck_on_0);
    start(P FILE_ "hooks: [h.lua]\nworkers: 2\norder_by: none\nretry: {initial: 1h, max: 1h}\n");
    append_many(N, 1);
    UNTIL(stats().published == N - 1);
    CHECK(stats().lag == 1);
    finish();
}

TEST(test_pipeline_gives_a_hook_up_that_always_says_later)
{
    begin();
    script(stuck_on_0);
    start(P FILE_ "hooks: [h.lua]\nretry: {initial: 5ms, max: 5ms, give_up_after: 20ms}\n");
    append_many(3, 1);
    UNTIL(stats().lag == 0);
    CHECK(stats().published == 2 && metric(GW_M_EVENTS_DEAD_LETTERED, "gave_up") == 1);
    finish();
}

TEST(test_pipeline_gives_up_what_is_not_delivered_in_time)
{
    begin();
    failing = 1;
    start(P FILE_ "retry: {initial: 5ms, max: 5ms, give_up_after: 30ms}\n");
    append_many(3, 3);
    UNTIL(stats().lag == 0);
    CHECK(stats().dead_lettered == 3 && metric(GW_M_EVENTS_DEAD_LETTERED, "gave_up") == 3);
    failing = 0;
    append_many(1, 1);
    UNTIL(is_up() && stats().published == 1);
    finish();
}

TEST(test_pipeline_rate_is_of_all_workers_and_over_all_tries)
{
    enum { N = 300, RATE = 1000 };
    int ids[N + 1];
    int64_t begun;

    begin();
    append_many(N, 7);
    begun = gw_clock_mono_ns();
    start(P FILE_ "workers: 3\nrate: 1000\n");
    UNTIL(stats().lag == 0);
    CHECK(gw_clock_mono_ns() - begun >= (N - RATE / 20 - 1) * (int64_t)1000000);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    finish();
}

TEST(test_pipeline_stop_does_not_wait_for_the_rate_and_repeats_nothing)
{
    enum { N = 40 };
    int ids[N + 1];

    begin();
    append_many(N, 5);
    start(P FILE_ "rate: 2\n");
    UNTIL(metric(GW_M_MESSAGES_PUBLISHED, NULL));
    stop(INT64_MAX);
    start(P FILE_);
    UNTIL(stats().lag == 0);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N);
    for (int i = 0; i < N; i++)
        CHECK(ids[i] == i);
    finish();
}

TEST(test_pipeline_stop_does_not_wait_for_what_is_to_be_tried_again)
{
    begin();
    failing = 1;
    start(P FILE_ "retry: {initial: 10h, max: 10h}\n");
    append_many(20, 5);
    UNTIL(metric(GW_M_PUBLISH_RETRIES, NULL) || syncs);
    stop(INT64_MAX); /* the alarm is sooner */
    start(P FILE_);
    CHECK(stats().lag == 20);
    finish();
}

TEST(test_pipeline_stop_ends_a_record_that_is_delivered_in_part)
{
    int ids[10];

    begin();
    script("local m = require 'moongate'\nreturn function(e) return {e, m.copy(e), m.copy(e)} end");
    fail_first = 3; /* the first is of the new file */
    fail_last = 5;
    start(P "hooks: [h.lua]\npublisher: {type: file, path: out, batch: {events: 1}}\n"
            "retry: {initial: 20ms, max: 20ms}\n");
    append_event("000007", "k");
    UNTIL(metric(GW_M_MESSAGES_PUBLISHED, NULL) == 1);
    stop(INT64_MAX);
    start(P FILE_);
    CHECK(stats().lag == 0 && stats().published == 1);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, 10) == 3);
    finish();
}

/* ---- dead letters ---- */

struct read_letter {
    char reason[40], event_id[40], error[200];
    struct gw_letter l;
};

static size_t letters(struct read_letter *out, size_t max)
{
    const struct gw_letter_query q = {.pipeline = "p"};
    struct gw_arena *mem = gw_arena_new();
    struct gw_err err;
    struct gw_letters *all = gw_letters_open(rig.log, &q, 0, &err);
    size_t n = 0;

    CHECK(all);
    while (n < max && gw_letters_next(all, mem, &out[n].l, &err) == 1) {
        const struct gw_dead_letter *d = &out[n].l.d;

        snprintf(out[n].reason, sizeof(out[n].reason), "%s", d->reason);
        snprintf(out[n].event_id, sizeof(out[n].event_id), "%.*s", (int)d->event_id.len,
                 d->event_id.p);
        snprintf(out[n].error, sizeof(out[n].error), "%.*s", (int)d->error.len, d->error.p);
        n++;
    }
    gw_letters_close(all);
    gw_arena_free(mem);
    return n;
}

static void on_changed(struct gw_mail *m)
{
    (void)m;
    rig.kept = 1;
}

static void drop_letter(uint64_t number)
{
    struct gw_letter_change c = {
        .mail = {.fn = on_changed}, .reply = rig.loop, .pipeline = GW_STR("p"), .number = number};

    rig.kept = 0;
    gw_letter_change(rig.log, &c);
    while (!rig.kept)
        gw_loop_turn(rig.loop, 1);
    CHECK(c.found && !c.failed);
}

static const char fails_on_odd[] =
    "return function(e) if tonumber(e.id) % 2 == 1 then error('odd') end end";

TEST(test_pipeline_stands_while_its_dead_letters_are_full_and_drops_nothing)
{
    enum { N = 40 };
    struct read_letter all[N];
    int ids[N + 1];
    size_t n;

    begin();
    script(fails_on_odd);
    append_many(N, 7);
    start(P FILE_ "hooks: [h.lua]\nworkers: 2\nmax_in_flight: 4\n"
                  "dead_letters: {max_bytes: 1}\nretry: {initial: 1ms, max: 5ms}\n");
    UNTIL(!is_up());
    CHECK(strstr(last_error(), "the dead letters are full: 1 byte"));
    CHECK(strstr(last_error(), "dead_letters.max_bytes") && strstr(last_error(), "dead drop"));
    append_event("999998", "new");
    for (int i = 0; i < 20; i++) { /* what is in flight ends, nothing is read on */
        usleep(500);
        CHECK(stats().dead_lettered == 1 && !is_up() && !strstr(text_of("out"), "999998"));
    }
    while (stats().lag) {
        n = letters(all, N);
        CHECK(n <= 1);
        if (n)
            drop_letter(all[0].l.number);
    }
    UNTIL(is_up());
    CHECK(!*last_error());
    CHECK(stats().published == N / 2 + 1 && stats().dead_lettered == N / 2);
    CHECK(metric(GW_M_EVENTS_DEAD_LETTERED, "hook_error") == N / 2);
    stop(INT64_MAX);
    CHECK(ids_of("out", ids, N + 1) == N / 2 + 1);
    finish();
}

TEST(test_pipeline_resumed_offers_its_letters_at_once)
{
    struct read_letter all[2];

    begin();
    script(fails_on_odd);
    append_many(4, 4);
    start(P FILE_ "hooks: [h.lua]\ndead_letters: {max_bytes: 1}\nretry: {initial: 1h, max: 1h}\n");
    UNTIL(!is_up());
    CHECK(letters(all, 2) == 1);
    drop_letter(all[0].l.number);
    gw_pipeline_pause(rig.pipeline, 0);
    UNTIL(stats().lag == 0);
    CHECK(is_up() && stats().dead_lettered == 2);
    finish();
}

TEST(test_pipeline_stopped_while_its_letters_are_full_keeps_the_record)
{
    begin();
    script(fails_on_odd);
    append_many(4, 4);
    start(P FILE_ "hooks: [h.lua]\ndead_letters: {max_bytes: 1}\n");
    UNTIL(!is_up());
    stop(INT64_MAX);
    start(P FILE_ "hooks: [h.lua]\n"); /* with more room */
    UNTIL(stats().lag == 0);
    CHECK(stats().dead_lettered == 2 && stats().published == 2);
    finish();
}

TEST(test_pipeline_dead_letter_says_how_often_and_since_when)
{
    struct read_letter l[2];
    const int64_t begun = gw_clock_wall_ns();

    begin();
    failing = 1;
    start(P FILE_ "retry: {initial: 5ms, max: 5ms, give_up_after: 40ms}\n");
    append_event("000001", "k");
    UNTIL(stats().lag == 0);
    CHECK(letters(l, 2) == 1);
    CHECK(!strcmp(l[0].reason, "gave_up") && !strcmp(l[0].event_id, "000001"));
    CHECK(strstr(l[0].error, "out: write") || strstr(l[0].error, "out: sync"));
    CHECK(l[0].l.d.attempts > 1 && l[0].l.d.first_at_ns >= begun);
    CHECK(l[0].l.d.last_at_ns - l[0].l.d.first_at_ns >= 40000000);
    CHECK(l[0].l.d.last_at_ns <= gw_clock_wall_ns());
    finish();
}
