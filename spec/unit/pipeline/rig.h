#ifndef SPEC_PIPELINE_RIG_H
#define SPEC_PIPELINE_RIG_H

#include "base/arena.h"
#include "base/buf.h"
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
#include "pipeline/pipeline.h"
#include "publish/publish_file.h"
#include "test.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A log, and pipelines on it whose file publisher's syncs can be made to fail. One a test. */
struct rig {
    struct gw_problems p;
    struct gw_log *log;
    struct gw_loop *loop;
    struct gw_metrics *metrics;
    struct gw_pipeline *pipeline;
    int kept;
};
static struct rig rig;
static atomic_int rig_failing, rig_syncs;
static int rig_fails_from, rig_fails_to; /* these syncs fail too, from 1 */

static inline int rig_sync(int fd)
{
    const int n = ++rig_syncs;

    (void)fd;
    errno = EIO;
    return rig_failing || (n >= rig_fails_from && n <= rig_fails_to) ? -1 : 0;
}

static inline void rig_quiet(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

static inline void rig_begin(int type)
{
    const struct gw_log_conf conf = {
        .type = type, .path = "data", .max_bytes = 64 << 20, .segment_bytes = 1 << 20};
    struct gw_err err;

    gw_diag_sink = rig_quiet;
    gw_publish_file_sync = rig_sync;
    rig.p.mem = gw_arena_new();
    rig.metrics = gw_metrics_new();
    rig.loop = gw_loop_new();
    rig.log = gw_log_open(&conf, rig.metrics, NULL, NULL, &err);
    CHECK(rig.log);
}

static inline const struct gw_pipeline_conf *rig_conf(const char *yaml)
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

static inline void rig_start(const struct gw_pipeline_conf *c)
{
    struct gw_err err;

    rig.pipeline = gw_pipeline_start(c, rig.log, rig.metrics, &err);
    CHECK(rig.pipeline);
}

static inline void rig_run(const char *yaml)
{
    rig_start(rig_conf(yaml));
}

static inline void rig_stop(int64_t deadline_ms)
{
    gw_pipeline_stop(rig.pipeline, deadline_ms);
    gw_pipeline_join(rig.pipeline);
    rig.pipeline = NULL;
}

static inline void rig_end(void)
{
    if (rig.pipeline)
        rig_stop(0);
    gw_log_close(rig.log);
    gw_metrics_free(rig.metrics);
    gw_loop_free(rig.loop);
    gw_arena_free(rig.p.mem);
}

static inline void rig_on_kept(struct gw_mail *m)
{
    CHECK(!GW_CONTAINER(m, struct gw_append, mail)->failed);
    rig.kept = 1;
}

static inline void rig_append(const struct gw_record *r)
{
    struct gw_buf b;
    struct gw_log_entry e = {
        .key_hash = gw_hash64(r->key), .kind = r->kind, .received_at_ns = r->received_at_ns};
    struct gw_append a = {.mail = {.fn = rig_on_kept}, .reply = rig.loop, .entries = &e, .n = 1};
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

/* A CloudEvent that came at received_at_ns, with a trace; data may be NULL. */
static inline void rig_event_of(const char *type, const char *id, const char *key,
                                int64_t received_at_ns, const char *data)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev;
    struct gw_buf b;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), gw_str_of(id));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), gw_str_of(type));
    if (data) {
        ev.data_kind = GW_DATA_TEXT;
        ev.data = gw_str_of(data);
    }
    gw_buf_init(&b, 1 << 20, mem);
    gw_event_protobuf_put(&b, &ev);
    rig_append(&(struct gw_record){.kind = GW_OTHER,
                                   .ingest = GW_STR("http"),
                                   .received_at_ns = received_at_ns,
                                   .key = gw_str_of(key),
                                   .traceparent = GW_STR("00-trace"),
                                   .payload = gw_buf_str(&b)});
    gw_arena_free(mem);
}

static inline void rig_event(const char *id, const char *key, int64_t received_at_ns,
                             const char *data)
{
    rig_event_of("t", id, key, received_at_ns, data);
}

/* One that carries a request of each kind, by its type, in every version, and two that carry none.
 */
static inline void rig_carriers(void)
{
    static const char *const types[] = {"flyteidl.admin.WorkflowExecutionEventRequest",
                                        "flyteidl.admin.NodeExecutionEventRequest",
                                        "flyteidl.admin.TaskExecutionEventRequest",
                                        "cloudevents.WorkflowExecution",
                                        "cloudevents.NodeExecution",
                                        "cloudevents.TaskExecution",
                                        "workflow",
                                        "node",
                                        "task",
                                        "action",
                                        "cloudevents.ExecutionStart"};
    char type[80], id[20];

    rig_event("0", "k", 1, NULL);
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        snprintf(type, sizeof(type), "com.flyte.resource.%s", types[i]);
        snprintf(id, sizeof(id), "%zu", i + 1);
        rig_event_of(type, id, "k", 1, NULL);
    }
}

/* Ids 000000 …, keys k0 …, a second from one to the next. */
static inline void rig_events(int from, int to, int keys)
{
    char id[20], key[20];

    for (int i = from; i < to; i++) {
        snprintf(id, sizeof(id), "%06d", i);
        snprintf(key, sizeof(key), "k%d", i % keys);
        rig_event(id, key, (i + 1) * INT64_C(1000000000), NULL);
    }
}

static inline struct gw_cursor_stats rig_stats(void)
{
    struct gw_pipeline_status s;
    struct gw_cursor_stats c;

    gw_pipeline_status(rig.pipeline, &s);
    gw_cursor_stats(s.cursor, &c);
    CHECK(c.accepted == c.published + c.filtered + c.dead_lettered + c.lag);
    return c;
}

static inline int rig_up(void)
{
    struct gw_pipeline_status s;

    gw_pipeline_status(rig.pipeline, &s);
    return s.up;
}

static inline const char *rig_last_error(void)
{
    static struct gw_pipeline_status s;

    gw_pipeline_status(rig.pipeline, &s);
    return s.last_error;
}

/* Bounded by the test's alarm. */
#define UNTIL(x)                                                                                   \
    while (!(x))                                                                                   \
    usleep(500)

static inline int64_t rig_metric(enum gw_metric family, const char *label)
{
    return gw_metrics_counter(rig.metrics, family, "p", label)->value;
}

/* What the file holds, NUL-terminated. */
static inline const char *rig_text(const char *path)
{
    static char out[1 << 20];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(out, 1, sizeof(out) - 1, f) : 0;

    if (f)
        fclose(f);
    out[n] = '\0';
    return out;
}

/* The ids in a file in its order: their count. */
static inline int rig_ids(const char *path, int *ids, int max)
{
    const char *at = rig_text(path);
    int n = 0;

    for (; (at = strstr(at, "\"id\":\"")) && n < max; n++) {
        char *end;

        ids[n] = (int)strtol(at += 6, &end, 10);
    }
    return n;
}

/* 0 to n - 1 once each, those of each key (of so many) in order. */
static inline void rig_expect_in_order(const char *path, int n, int keys)
{
    int *ids = calloc((size_t)(n + 1 + keys), sizeof(*ids)), *next = ids + n + 1;

    CHECK(ids && rig_ids(path, ids, n + 1) == n);
    for (int k = 0; k < keys; k++)
        next[k] = k;
    for (int i = 0; i < n; i++) {
        CHECK(ids[i] == next[ids[i] % keys]);
        next[ids[i] % keys] += keys;
    }
    free(ids);
}

static inline void rig_script(const char *name, const char *text)
{
    FILE *f = fopen(name, "w");

    CHECK(f && fprintf(f, "local moongate = require 'moongate' %s", text) >= 0 && !fclose(f));
}

#endif
