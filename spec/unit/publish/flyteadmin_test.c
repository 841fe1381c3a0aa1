#include "publish/flyteadmin.h"

#include "../flyte/golden.h"
#include "base/clock.h"
#include "event/event.h"
#include "event/format.h"
#include "kafka_mock.h"
#include "net/loop.h"

#include <glob.h>

/* Against spec/golden/flyteadmin: the event that FlyteAdmin makes of a request, in the message of
 * each binding, byte for byte. */

enum { FILES_MAX = 100, MAX = 1 << 24 };
static const char *const style_names[GW_STYLES] = {
    [GW_STYLE_FLYTEADMIN] = "flyteadmin",
    [GW_STYLE_FLYTEADMIN_V2] = "flyteadmin-v2",
    [GW_STYLE_FLYTEADMIN_EXTERNAL] = "flyteadmin-external",
};

/* One case of a file in one style and spacing. */
struct vector {
    struct gw_arena *mem;
    struct gw_str file;
    enum gw_style style;
    struct gw_str data;    /* the event's */
    struct gw_str sent;    /* what each binding sent */
    struct gw_str request; /* its bytes */
    struct gw_str kind;    /* workflow node task */
    int same_as_request;   /* external: Go's encoding came out so */
};
typedef void vector_fn(void *ctx, const struct vector *v);

static void each_spacing(struct vector *v, struct gw_str style, vector_fn *fn, void *ctx)
{
    static const char *const spacings[] = {"1", "2", "any"};
    const struct gw_str all = golden_member(style, "id_spacing");

    if (!all.p)
        return; /* rejected */
    v->same_as_request = gw_str_is(golden_member(style, "same_as_request"), "true");
    if (v->style != GW_STYLE_FLYTEADMIN_EXTERNAL)
        v->data = golden_string(v->mem, style, "data");
    for (int i = 0; i < 3; i++) {
        v->sent = golden_member(all, spacings[i]);
        if (v->sent.p)
            fn(ctx, v);
    }
}

static int each_file(const char *path, vector_fn *fn, void *ctx)
{
    struct vector v = {.mem = gw_arena_new()};
    const struct gw_str styles_of = golden_member(v.file = golden_file(v.mem, path), "styles");

    v.request = gw_base64_decode(v.mem, golden_string(v.mem, v.file, "request_b64"));
    v.kind = golden_string(v.mem, v.file, "kind");
    for (int i = GW_STYLE_FLYTEADMIN; i < GW_STYLES; i++) {
        const struct gw_str style = golden_member(styles_of, style_names[i]);

        v.style = (enum gw_style)i;
        if (style.p)
            each_spacing(&v, style, fn, ctx);
    }
    gw_arena_free(v.mem);
    return 0;
}

static void each_vector(vector_fn *fn, void *ctx)
{
    char pattern[4096];
    const size_t root = strlen(spec_root()) + strlen("/spec/golden/");
    glob_t all;

    snprintf(pattern, sizeof(pattern), "%s/spec/golden/flyteadmin/*.json", spec_root());
    CHECK(!glob(pattern, 0, NULL, &all) && all.gl_pathc >= 18);
    for (size_t i = 0; i < all.gl_pathc; i++)
        each_file(all.gl_pathv[i] + root, fn, ctx);
    globfree(&all);
}

/* ---- the event ---- */

static void set_all(struct gw_event *ev, struct gw_str object)
{
    struct gw_json j;

    gw_json_init(&j, object, 10);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT);
    while (gw_json_next(&j) == GW_JSON_KEY) {
        const struct gw_str name = gw_json_string(&j, ev->mem);
        struct gw_str inner;

        if (gw_str_is(name, "extensions")) {
            CHECK(!gw_json_value(&j, &inner));
            set_all(ev, inner);
        } else if (gw_json_next(&j) == GW_JSON_STRING && !gw_str_is(name, "specversion")) {
            gw_event_set(ev, name, gw_json_string(&j, ev->mem));
        }
    }
}

static struct gw_str subject_of(const struct vector *v)
{
    return gw_str_is(v->kind, "workflow") ? GW_STR("flyteidl.admin.WorkflowExecutionEventRequest")
           : gw_str_is(v->kind, "node")   ? GW_STR("flyteidl.admin.NodeExecutionEventRequest")
                                          : GW_STR("flyteidl.admin.TaskExecutionEventRequest");
}

static void make_event(struct gw_event *ev, const struct vector *v)
{
    gw_event_init(ev, v->mem);
    ev->data_kind = GW_DATA_BYTES;
    ev->data = v->data;
    if (v->style != GW_STYLE_FLYTEADMIN_EXTERNAL) {
        set_all(ev, golden_member(v->sent, "attributes"));
        return;
    }
    ev->data = v->request;
    gw_event_set(ev, GW_STR("id"), GW_STR("p:d:n:RUNNING"));
    gw_event_set(ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(ev, GW_STR("type"), GW_STR("com.flyte.resource.workflow"));
    gw_event_set(ev, GW_STR("subject"), subject_of(v));
    gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("application/protobuf"));
}

static struct gw_flyteadmin style(enum gw_style s)
{
    return gw_flyteadmin_of(&(struct gw_format){.style = s}, MAX);
}

/* ---- each binding ---- */

static int64_t sending_ns(void)
{
    return INT64_C(1767225600120000000); /* 2026-01-01T00:00:00.12Z */
}

/* What stands in the vectors where the client put the time of sending. */
static struct gw_str filled_in(struct gw_arena *mem, struct gw_str s)
{
    static const char now[] = "{now}";
    struct gw_buf b;
    const char *at;

    gw_buf_init(&b, MAX, mem);
    while (s.len && (at = memmem(s.p, s.len, now, sizeof(now) - 1))) {
        gw_buf_put(&b, s.p, (size_t)(at - s.p));
        gw_buf_puts(&b, "2026-01-01T00:00:00.12Z");
        s = (struct gw_str){at + sizeof(now) - 1, s.len - (size_t)(at - s.p) - (sizeof(now) - 1)};
    }
    gw_buf_put_str(&b, s);
    return gw_buf_str(&b);
}

static int same(const struct vector *v, const char *what, struct gw_str got, struct gw_str want)
{
    const struct gw_str name = golden_string(v->mem, v->file, "name");

    if (gw_str_eq(got, want))
        return 1;
    fprintf(stderr, "%.*s %s %s\ngot  %.*s\nwant %.*s\n", (int)name.len, name.p,
            style_names[v->style], what, (int)got.len, got.p, (int)want.len, want.p);
    return 0;
}

/* 1: FlyteAdmin dropped the event there, and so is it refused here, for the same member. */
static int dropped(const struct vector *v, struct gw_str sent, gw_flyteadmin_fn *write,
                   const struct gw_event *ev)
{
    const struct gw_flyteadmin f = style(v->style);
    struct gw_message m = {0};
    struct gw_err err;

    if (!golden_member(sent, "dropped").p)
        return 0;
    CHECK(write(&f, ev, v->mem, &m, &err) && err.kind == GW_ERR_REJECT);
    CHECK(!strncmp(err.msg, golden_string(v->mem, sent, "dropped").p, strlen("source:")));
    return 1;
}

static struct gw_message written(const struct vector *v, gw_flyteadmin_fn *write)
{
    const struct gw_flyteadmin f = style(v->style);
    struct gw_message m = {.key = GW_STR("record")};
    struct gw_event ev;
    struct gw_err err;

    make_event(&ev, v);
    CHECK(!write(&f, &ev, v->mem, &m, &err));
    return m;
}

static void check_clouds(const struct vector *v)
{
    const struct gw_str sns = golden_member(v->sent, "sns");
    const struct gw_str pubsub = golden_member(v->sent, "pubsub");
    struct gw_message m = written(v, gw_flyteadmin_sns);
    struct gw_str bytes = gw_base64_decode(v->mem, golden_string(v->mem, pubsub, "data_b64"));

    /* where Go's encoding came out in another order, the request's own bytes are as good */
    if (v->style == GW_STYLE_FLYTEADMIN_EXTERNAL && !v->same_as_request)
        bytes = v->request;
    CHECK(same(v, "sns subject", m.subject, golden_string(v->mem, sns, "subject")));
    CHECK(same(v, "sns", gw_base64_decode(v->mem, m.body), bytes));
    if (v->style != GW_STYLE_FLYTEADMIN_EXTERNAL)
        CHECK(same(v, "sns", m.body, golden_string(v->mem, sns, "message")));
    CHECK(!m.n_headers && gw_str_is(m.key, "record"));
    m = written(v, gw_flyteadmin_pubsub);
    CHECK(same(v, "pubsub", m.body, bytes));
    CHECK(m.n_headers == 1 && gw_str_is(m.headers[0].name, "key"));
    CHECK(same(v, "pubsub key", m.headers[0].value,
               golden_string(v->mem, golden_member(pubsub, "attributes"), "key")));
    CHECK(!m.subject.p);
}

static void check_headers(const struct vector *v, const struct gw_message *m, struct gw_str want)
{
    struct gw_json j;
    size_t i = 0;

    gw_json_init(&j, want, 10);
    CHECK(gw_json_next(&j) == GW_JSON_ARRAY);
    for (; gw_json_next(&j) == GW_JSON_ARRAY; i++) {
        CHECK(i < m->n_headers && m->headers[i].value.p);
        gw_json_next(&j);
        CHECK(same(v, "header", m->headers[i].name, gw_json_string(&j, v->mem)));
        gw_json_next(&j);
        CHECK(same(v, "value", m->headers[i].value, filled_in(v->mem, gw_json_string(&j, v->mem))));
        CHECK(gw_json_next(&j) == GW_JSON_ARRAY_END);
    }
    CHECK(i == m->n_headers);
}

static void check_kafka(const struct vector *v)
{
    const struct gw_str sent = golden_member(v->sent, "kafka");
    struct gw_message m;
    struct gw_event ev;

    make_event(&ev, v);
    if (dropped(v, sent, gw_flyteadmin_kafka, &ev))
        return;
    m = written(v, gw_flyteadmin_kafka);
    CHECK(same(v, "key", m.key, golden_string(v->mem, sent, "key")));
    CHECK(same(v, "value", m.body,
               gw_base64_decode(v->mem, golden_string(v->mem, sent, "value_b64"))));
    check_headers(v, &m, golden_member(sent, "headers"));
}

static void check_nats(const struct vector *v)
{
    const struct gw_str sent = golden_member(v->sent, "nats");
    struct gw_message m;
    struct gw_event ev;

    make_event(&ev, v);
    if (dropped(v, sent, gw_flyteadmin_nats, &ev))
        return;
    m = written(v, gw_flyteadmin_nats);
    CHECK(same(v, "nats", m.body, filled_in(v->mem, golden_string(v->mem, sent, "data"))));
    CHECK(!m.n_headers && !m.subject.p);
}

/* The document of NATS, which is HTTP's and a file's, too. */
static void check_documents(const struct vector *v)
{
    const struct gw_str nats = golden_member(v->sent, "nats");
    struct gw_message m;

    if (golden_member(nats, "dropped").p)
        return;
    m = written(v, gw_flyteadmin_http);
    CHECK(same(v, "http", m.body, golden_string(v->mem, nats, "data")) && !m.n_headers);
    m = written(v, gw_flyteadmin_file);
    CHECK(m.body.p[--m.body.len] == '\n' &&
          same(v, "file", m.body, golden_string(v->mem, nats, "data")));
}

static void check_vector(void *n, const struct vector *v)
{
    ++*(int *)n;
    check_clouds(v);
    if (v->style == GW_STYLE_FLYTEADMIN_EXTERNAL) {
        CHECK(same(v, "nats", written(v, gw_flyteadmin_nats).body, v->request));
        CHECK(same(v, "kafka", written(v, gw_flyteadmin_kafka).body, v->request));
        CHECK(same(v, "http", written(v, gw_flyteadmin_http).body, v->request));
        return;
    }
    check_kafka(v);
    check_nats(v);
    if (!memmem(v->sent.p, v->sent.len, "{now}", 5))
        check_documents(v);
}

TEST(test_flyteadmin_writes_every_vector_of_every_binding)
{
    int n = 0;

    gw_clock_wall_ns = sending_ns;
    each_vector(check_vector, &n);
    CHECK(n >= 90);
}

/* ---- events that are not as FlyteAdmin makes them ---- */

static struct gw_event plain_event(struct gw_arena *mem)
{
    struct gw_event ev;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("i 1"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("com.flyte.resource.flyteidl.admin.X"));
    gw_event_set(&ev, GW_STR("datacontenttype"), GW_STR("application/json"));
    ev.data_kind = GW_DATA_JSON;
    ev.data = GW_STR("{\"a\": 1}");
    return ev;
}

static struct gw_message made(enum gw_style s, enum gw_mode mode, gw_flyteadmin_fn *write,
                              const struct gw_event *ev)
{
    const struct gw_format format = {.style = s, .mode = mode};
    const struct gw_flyteadmin f = gw_flyteadmin_of(&format, MAX);
    struct gw_message m = {0};
    struct gw_err err;

    CHECK(!write(&f, ev, ev->mem, &m, &err));
    return m;
}

static struct gw_str header_of(const struct gw_message *m, const char *name)
{
    for (size_t i = 0; i < m->n_headers; i++)
        if (gw_str_is(m->headers[i].name, name))
            return m->headers[i].value;
    return (struct gw_str){0};
}

TEST(test_flyteadmin_fills_in_the_time_of_sending_where_its_client_does)
{
    static const char now[] = "2026-01-01T00:00:00.12Z";
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev = plain_event(mem);
    struct gw_message m;

    gw_clock_wall_ns = sending_ns;
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_kafka, &ev);
    CHECK(gw_str_is(header_of(&m, "ce_time"), now));
    CHECK(gw_str_is(m.headers[5].name, "ce_time")); /* in its place */
    m = made(GW_STYLE_FLYTEADMIN_V2, GW_MODE_BY_STYLE, gw_flyteadmin_nats, &ev);
    CHECK(memmem(m.body.p, m.body.len, now, strlen(now)));
    m = made(GW_STYLE_FLYTEADMIN_EXTERNAL, GW_MODE_BY_STYLE, gw_flyteadmin_kafka, &ev);
    CHECK(!header_of(&m, "ce_time").p);
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_http, &ev);
    CHECK(!memmem(m.body.p, m.body.len, "\"time\"", 6));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_pubsub, &ev);
    CHECK(!memmem(m.body.p, m.body.len, "time", 4));
    CHECK(!gw_event_get(&ev, GW_STR("time"))); /* it is the event's no more than FlyteAdmin's */
    gw_arena_free(mem);
}

TEST(test_flyteadmin_writes_what_a_hook_put_in_as_its_client_would)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev = plain_event(mem);
    struct gw_message m;

    gw_event_set(&ev, GW_STR("empty"), GW_STR(""));
    gw_event_set_bool(&ev, GW_STR("flag"), 1);
    gw_event_set(&ev, GW_STR("time"), GW_STR("2026-03-02T09:16:00+01:00"));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_http, &ev);
    CHECK(gw_str_is(m.body, "{\"specversion\":\"1.0\",\"id\":\"i 1\",\"source\":\"/s\",\"type\":"
                            "\"com.flyte.resource.flyteidl.admin.X\",\"datacontenttype\":"
                            "\"application/json\",\"time\":\"2026-03-02T08:16:00Z\","
                            "\"data_base64\":\"eyJhIjogMX0=\",\"empty\":\"\",\"flag\":true}"));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_kafka, &ev);
    CHECK(header_of(&m, "ce_empty").p && header_of(&m, "ce_empty").len == 0);
    CHECK(gw_str_is(header_of(&m, "ce_flag"), "true") && gw_str_is(m.body, "{\"a\": 1}"));
    CHECK(gw_str_is(m.key, "i 1"));
    gw_event_set(&ev, GW_STR("partitionkey"), GW_STR("pk"));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_kafka, &ev);
    CHECK(gw_str_is(m.key, "pk"));
    gw_event_set(&ev, GW_STR("partitionkey"), GW_STR(""));
    ev.data = GW_STR("");
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BY_STYLE, gw_flyteadmin_kafka, &ev);
    CHECK(gw_str_is(m.key, "i 1") && !m.body.p);
    gw_arena_free(mem);
}

TEST(test_flyteadmin_modes_that_are_written_win)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev = plain_event(mem);
    struct gw_message m;

    gw_event_set(&ev, GW_STR("time"), GW_STR("2026-03-02T08:16:00Z"));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_STRUCTURED, gw_flyteadmin_kafka, &ev);
    CHECK(m.n_headers == 1 && gw_str_is(m.headers[0].name, "content-type"));
    CHECK(gw_str_is(m.headers[0].value, "application/cloudevents+json"));
    CHECK(gw_str_is(m.key, "i 1") && m.body.p[0] == '{' &&
          memmem(m.body.p, m.body.len, "base64", 6));
    m = made(GW_STYLE_FLYTEADMIN, GW_MODE_BINARY, gw_flyteadmin_http, &ev);
    CHECK(gw_str_is(header_of(&m, "ce-id"), "i%201") && gw_str_is(m.body, "{\"a\": 1}"));
    m = made(GW_STYLE_FLYTEADMIN_EXTERNAL, GW_MODE_BY_STYLE, gw_flyteadmin_http, &ev);
    CHECK(gw_str_is(header_of(&m, "ce-id"), "i%201"));
    m = made(GW_STYLE_FLYTEADMIN_EXTERNAL, GW_MODE_STRUCTURED, gw_flyteadmin_http, &ev);
    CHECK(!m.n_headers && m.body.p[0] == '{');
    gw_arena_free(mem);
}

TEST(test_flyteadmin_names_subjects_by_the_type)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev = plain_event(mem);
    struct gw_message m = made(GW_STYLE_FLYTEADMIN, 0, gw_flyteadmin_sns, &ev);

    CHECK(gw_str_is(m.subject, "flyteidl.admin.X"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("org.other"));
    m = made(GW_STYLE_FLYTEADMIN, 0, gw_flyteadmin_pubsub, &ev);
    CHECK(gw_str_is(m.headers[0].value, "org.other"));
    m = made(GW_STYLE_FLYTEADMIN_EXTERNAL, 0, gw_flyteadmin_pubsub, &ev);
    CHECK(!m.n_headers); /* no subject, no key */
    m = made(GW_STYLE_FLYTEADMIN_EXTERNAL, 0, gw_flyteadmin_sns, &ev);
    CHECK(!m.subject.p);
    gw_arena_free(mem);
}

TEST(test_flyteadmin_refuses_what_its_client_refuses)
{
    static gw_flyteadmin_fn *const checked[] = {gw_flyteadmin_kafka, gw_flyteadmin_nats,
                                                gw_flyteadmin_http, gw_flyteadmin_file,
                                                gw_flyteadmin_document};
    static const char *const required[] = {"id", "source", "type"};
    struct gw_arena *mem = gw_arena_new();
    const struct gw_flyteadmin f = style(GW_STYLE_FLYTEADMIN);
    struct gw_message m = {0};
    struct gw_err err;

    for (int i = 0; i < 3; i++) {
        struct gw_event ev = plain_event(mem);

        gw_event_set(&ev, gw_str_of(required[i]), GW_STR(""));
        for (int k = 0; k < 5; k++) {
            CHECK(checked[k](&f, &ev, mem, &m, &err) && err.kind == GW_ERR_REJECT);
            CHECK(!strncmp(err.msg, required[i], strlen(required[i])));
        }
        CHECK(!gw_flyteadmin_sns(&f, &ev, mem, &m, &err));
        CHECK(!gw_flyteadmin_pubsub(&f, &ev, mem, &m, &err));
    }
    gw_arena_free(mem);
}

TEST(test_flyteadmin_bounds_every_message)
{
    static gw_flyteadmin_fn *const all[] = {gw_flyteadmin_sns,   gw_flyteadmin_pubsub,
                                            gw_flyteadmin_kafka, gw_flyteadmin_nats,
                                            gw_flyteadmin_http,  gw_flyteadmin_file};
    static char big[3000];
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev = plain_event(mem);
    struct gw_message m = {0};
    struct gw_err err;

    ev.data = (struct gw_str){big, sizeof(big)};
    for (int i = 0; i < 6; i++)
        for (int s = GW_STYLE_FLYTEADMIN; s < GW_STYLES; s++) {
            const struct gw_format format = {.style = s};
            struct gw_flyteadmin f = gw_flyteadmin_of(&format, sizeof(big) - 1);

            CHECK(all[i](&f, &ev, mem, &m, &err) && err.kind == GW_ERR_TOO_LARGE);
            f.max = 3 * sizeof(big);
            CHECK(!all[i](&f, &ev, mem, &m, &err));
        }
    gw_arena_free(mem);
}

/* ---- through librdkafka, to a broker and back ---- */

enum { PARTITIONED = 3, KEYS_MAX = 200 };
static const int partitions[PARTITIONED] = {3, 12, 50};

/* What is sent to one topic, and what was read of it. */
struct journey {
    struct gw_arena *mem;
    struct gw_loop *loop;
    struct gw_publisher *publisher;
    int n, done; /* messages sent, delivered */
    struct {
        struct gw_str key;
        int64_t want; /* partition */
        struct gw_message m;
    } sent[KEYS_MAX];
    int width;
};

/* What sarama does: FNV-1a of 32 bits, signed, modulo, without its sign. */
static int64_t saramas_partition(struct gw_str key, int n)
{
    uint32_t h = 2166136261u;
    int64_t rest;

    for (size_t i = 0; i < key.len; i++)
        h = (h ^ (unsigned char)key.p[i]) * 16777619u;
    rest = (int64_t)(int32_t)h % n;
    return rest < 0 ? -rest : rest;
}

static void on_delivered(void *ctx, struct gw_message *m, const struct gw_result *r)
{
    CHECK(r->outcome == GW_DELIVERED);
    ((struct journey *)ctx)->done++;
    m->mark = 1;
}

static void travel(struct journey *j, const struct gw_event *ev, int64_t want)
{
    struct gw_message *m = &j->sent[j->n].m;
    struct gw_err err;

    CHECK(j->n < KEYS_MAX);
    *m = (struct gw_message){.key = GW_STR("record")};
    CHECK(!j->publisher->ops->format(j->publisher, ev, NULL, j->mem, m, &err));
    j->sent[j->n].key = m->key;
    j->sent[j->n++].want = want;
    gw_publisher_send(j->publisher, m);
}

/* Vectors with a partition; both versions of FlyteAdmin send the same key. */
static void travel_vector(void *ctx, const struct vector *v)
{
    struct journey *j = ctx;
    const struct gw_str kafka = golden_member(v->sent, "kafka");
    struct vector own = *v;
    struct gw_event ev;
    char width[8];
    struct gw_str want;

    if (v->style != GW_STYLE_FLYTEADMIN)
        return;
    own.mem = j->mem;
    own.data = gw_arena_str(j->mem, v->data);
    make_event(&ev, &own);
    snprintf(width, sizeof(width), "%d", j->width);
    want = golden_member(golden_member(kafka, "partition_of"), width);
    CHECK(want.p);
    travel(j, &ev, strtol(want.p, NULL, 10));
}

/* Ids whose hash is the least of all numbers, next to it, and around zero. */
static void travel_edges(struct journey *j)
{
    static const char *const ids[] = {"01dqaat5", "08sgaayc", "ngsnaapn", "v1iraa1l"};

    for (int i = 0; i < 4; i++) {
        struct gw_event ev = plain_event(j->mem);

        gw_event_set(&ev, GW_STR("id"), gw_str_of(ids[i]));
        travel(j, &ev, saramas_partition(gw_str_of(ids[i]), j->width));
    }
}

static rd_kafka_t *consumer_of(const char *topic, int n)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_topic_partition_list_t *all = rd_kafka_topic_partition_list_new(n);
    char why[200];
    rd_kafka_t *rk;

    CHECK(!rd_kafka_conf_set(conf, "bootstrap.servers",
                             rd_kafka_mock_cluster_bootstraps(kafka_mock()), why, sizeof(why)));
    CHECK(!rd_kafka_conf_set(conf, "group.id", "g", why, sizeof(why)));
    CHECK(!rd_kafka_conf_set(conf, "fetch.wait.max.ms", "10", why, sizeof(why)));
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    CHECK(rk && !rd_kafka_poll_set_consumer(rk));
    for (int i = 0; i < n; i++)
        rd_kafka_topic_partition_list_add(all, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    CHECK(!rd_kafka_assign(rk, all));
    rd_kafka_topic_partition_list_destroy(all);
    return rk;
}

static void check_arrival(struct journey *j, const rd_kafka_message_t *got)
{
    const struct gw_str key = {got->key, got->key_len};
    rd_kafka_headers_t *h = NULL;
    const char *name;
    const void *value;
    size_t size;
    int i = 0;

    /* one key comes in the order it went */
    while (i < j->n && !(j->sent[i].m.mark == 1 && gw_str_eq(j->sent[i].key, key)))
        i++;
    CHECK(i < j->n);
    j->sent[i].m.mark = 2;
    CHECK(got->partition == j->sent[i].want);
    CHECK(gw_str_eq((struct gw_str){got->payload, got->len}, j->sent[i].m.body));
    CHECK(!rd_kafka_message_headers(got, &h));
    for (size_t k = 0; k < j->sent[i].m.n_headers; k++) {
        CHECK(!rd_kafka_header_get_all(h, k, &name, &value, &size) && value);
        CHECK(gw_str_is(j->sent[i].m.headers[k].name, name));
        CHECK(gw_str_eq((struct gw_str){value, size}, j->sent[i].m.headers[k].value));
    }
}

static void run_journey(struct journey *j, const char *topic)
{
    rd_kafka_t *consumer;

    each_vector(travel_vector, j);
    travel_edges(j);
    while (j->done < j->n)
        gw_loop_turn(j->loop, 1);
    consumer = consumer_of(topic, j->width);
    for (int left = j->n; left > 0;) {
        rd_kafka_message_t *got = rd_kafka_consumer_poll(consumer, 100);

        if (got && !got->err) {
            check_arrival(j, got);
            left--;
        }
        if (got)
            rd_kafka_message_destroy(got);
    }
    rd_kafka_destroy(consumer);
}

TEST(test_flyteadmin_messages_go_to_saramas_partitions_with_all_their_headers)
{
    const struct gw_format format = {.style = GW_STYLE_FLYTEADMIN};
    static struct journey j;
    struct gw_publish_kafka_conf c;
    char topic[16];
    struct gw_err err;

    for (int i = 0; i < PARTITIONED; i++) {
        snprintf(topic, sizeof(topic), "t%d", partitions[i]);
        CHECK(!rd_kafka_mock_topic_create(kafka_mock(), topic, partitions[i], 1));
        kafka_mock_conf(&c, topic);
        c.key = NULL; /* nothing was written */
        j = (struct journey){.mem = gw_arena_new(), .loop = gw_loop_new(), .width = partitions[i]};
        j.publisher = gw_publish_kafka.open(&c, &format, j.loop, &err);
        CHECK(j.publisher);
        j.publisher->result = on_delivered;
        j.publisher->ctx = &j;
        run_journey(&j, topic);
        CHECK(j.n >= 40);
        gw_publisher_close(j.publisher);
        gw_loop_free(j.loop);
        gw_arena_free(j.mem);
    }
}
