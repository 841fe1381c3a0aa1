#ifndef SPEC_PUBLISH_ANSWERS_H
#define SPEC_PUBLISH_ANSWERS_H

#include "../flyte/golden.h"
#include "event/event.h"
#include "event/format.h"
#include "hook/hook.h"
#include "publish/flyteadmin.h"

#include <librdkafka/rdkafka.h>
#include <stdarg.h>

/* Holds what we make of a request to what FlyteAdmin sends for it: lines of spec/golden/oracle, or
 * of its oracle (spec/judges). Differences are told and counted, the reader goes on. */
enum { ANSWERS_TOLD = 25, ANSWERS_SHOWN = 160 };

struct answers {
    size_t requests, refused, rejected, dropped, compared, wrong;
    size_t styles[GW_STYLES];
    struct gw_hooks *hooks; /* version 2's script */
    struct gw_style_conf conf;
    /* of the line at hand */
    struct gw_arena *mem;
    struct gw_str name, style_name;
    int failed;
};

/* What two texts are from a little before where they part. */
static inline void answers_show(const char *who, struct gw_str s, size_t from)
{
    size_t n = s.len - from;

    fprintf(stderr, "  %s (%zu bytes%s): ", who, s.len,
            from ? ", from the end of what is alike" : "");
    if (n > ANSWERS_SHOWN)
        n = ANSWERS_SHOWN;
    for (size_t i = from; i < from + n; i++)
        fprintf(stderr, (unsigned char)s.p[i] < ' ' ? "\\x%02x" : "%c", (unsigned char)s.p[i]);
    fputc('\n', stderr);
}

static inline int answers_tell(struct answers *a, const char *what)
{
    a->failed = 1;
    if (a->wrong++ >= ANSWERS_TOLD)
        return 0;
    fprintf(stderr, "%.*s, %.*s: %s\n", (int)a->name.len, a->name.p, (int)a->style_name.len,
            a->style_name.p, what);
    return 1;
}

static inline void answers_same(struct answers *a, const char *what, struct gw_str got,
                                struct gw_str want)
{
    size_t same = 0;

    a->compared++;
    if (gw_str_eq(got, want) && !got.p == !want.p)
        return;
    if (!answers_tell(a, what))
        return;
    while (same < got.len && same < want.len && got.p[same] == want.p[same])
        same++;
    same = same > 24 ? same - 24 : 0;
    answers_show("want", want, same);
    answers_show("got ", got, same);
}

/* A member that may be absent. */
static inline struct gw_str answers_text(struct answers *a, struct gw_str object, const char *name)
{
    return object.p && golden_member(object, name).p ? golden_string(a->mem, object, name)
                                                     : (struct gw_str){NULL, 0};
}

static inline struct gw_str answers_base64(struct answers *a, struct gw_str bytes)
{
    struct gw_buf out;

    gw_buf_init(&out, SIZE_MAX / 2, a->mem);
    gw_base64_put(&out, bytes);
    return gw_buf_str(&out);
}

/* want may have {now}, where any time stands. */
static inline void answers_same_but_now(struct answers *a, const char *what, struct gw_str got,
                                        struct gw_str want)
{
    const char *now = memmem(want.p, want.len, "{now}", 5), *end;
    const size_t before = now ? (size_t)(now - want.p) : 0;
    struct gw_time time;

    if (now && got.len > before) {
        end = memchr(got.p + before, 'Z', got.len - before);
        CHECK(end);
        if (!gw_time_parse((struct gw_str){got.p + before, (size_t)(end + 1 - got.p) - before},
                           &time))
            got = gw_arena_printf(a->mem, "%.*s{now}%.*s", (int)before, got.p,
                                  (int)(got.len - (size_t)(end + 1 - got.p)), end + 1);
    }
    answers_same(a, what, got, want);
}

static inline void answers_attributes(struct answers *a, const struct gw_event *ev,
                                      struct gw_str want)
{
    static const char *const names[] = {"id", "source", "type", "datacontenttype", "time"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct gw_str got = gw_event_text(ev, names[i]);

        if (!got.p && i == 1) /* one that Go cannot parse: to the SDK absent and empty are one */
            got = GW_STR("");
        answers_same(a, names[i], got, answers_text(a, want, names[i]));
    }
    answers_same(a, "jsonschemaurl", gw_event_text(ev, "jsonschemaurl"),
                 golden_string(a->mem, golden_member(want, "extensions"), "jsonschemaurl"));
}

static inline void answers_pubsub(struct answers *a, const struct gw_message *m, struct gw_str want,
                                  struct gw_str message)
{
    const struct gw_str bytes = answers_text(a, want, "data_b64");

    answers_same(a, "Pub/Sub data, as base64", answers_base64(a, m->body),
                 bytes.p ? bytes : message);
    if (m->n_headers != 1 || !gw_str_is(m->headers[0].name, "key"))
        answers_tell(a, "not Pub/Sub's one attribute, `key`");
    else
        answers_same(a, "Pub/Sub key", m->headers[0].value,
                     golden_string(a->mem, golden_member(want, "attributes"), "key"));
}

/* request: its base64. */
static inline void answers_clouds(struct answers *a, const struct gw_event *ev, struct gw_str want,
                                  struct gw_str request)
{
    const struct gw_flyteadmin how = {(int)a->conf.style, GW_MODE_BY_STYLE, 0, 1 << 26};
    const struct gw_str sns = golden_member(want, "sns"), message = answers_text(a, sns, "message");
    struct gw_message m = {0}, p = {0};
    struct gw_err err;

    if (gw_flyteadmin_sns(&how, ev, a->mem, &m, &err) ||
        gw_flyteadmin_pubsub(&how, ev, a->mem, &p, &err)) {
        answers_tell(a, err.msg);
        return;
    }
    answers_same(a, "SNS subject", m.subject, golden_string(a->mem, sns, "subject"));
    answers_same(a, "SNS message", m.body, message.p ? message : request);
    answers_pubsub(a, &p, golden_member(want, "pubsub"), message.p ? message : request);
}

static inline void answers_headers(struct answers *a, const struct gw_message *m,
                                   struct gw_str want)
{
    size_t n = 0;
    struct gw_json j;

    gw_json_init(&j, want, 4);
    CHECK(gw_json_next(&j) == GW_JSON_ARRAY);
    while (gw_json_next(&j) == GW_JSON_ARRAY) {
        const struct gw_header none = {{NULL, 0}, {NULL, 0}};
        const struct gw_header *got = n < m->n_headers ? &m->headers[n] : &none;

        CHECK(gw_json_next(&j) == GW_JSON_STRING);
        answers_same(a, "name of a Kafka header", got->name, gw_json_string(&j, a->mem));
        CHECK(gw_json_next(&j) == GW_JSON_STRING);
        answers_same_but_now(a, "Kafka header", got->value, gw_json_string(&j, a->mem));
        CHECK(gw_json_next(&j) == GW_JSON_ARRAY_END);
        n++;
    }
    if (n != m->n_headers)
        answers_tell(a, "more Kafka headers");
}

static inline void answers_partitions(struct answers *a, const struct gw_message *m,
                                      struct gw_str want)
{
    static const int counts[] = {3, 12, 50};

    for (size_t i = 0; i < 3; i++) {
        char n[8], got[16];

        snprintf(n, sizeof(n), "%d", counts[i]);
        snprintf(got, sizeof(got), "%d",
                 rd_kafka_msg_partitioner_fnv1a(NULL, m->key.p, m->key.len, counts[i], NULL, NULL));
        answers_same(a, "partition", gw_str_of(got), golden_member(want, n));
    }
}

/* One that the SDK's client refuses is refused here, too. 1: it has been dealt with. */
static inline int answers_dropped(struct answers *a, int got, struct gw_str want,
                                  const struct gw_err *err)
{
    if (golden_member(want, "dropped").p) {
        a->dropped++;
        if (!got)
            answers_tell(a, "sent, where FlyteAdmin's client refuses the event");
        return 1;
    }
    if (got)
        answers_tell(a, err->msg);
    return got;
}

static inline void answers_kafka(struct answers *a, const struct gw_event *ev, struct gw_str want,
                                 struct gw_str data)
{
    const struct gw_flyteadmin how = {(int)a->conf.style, GW_MODE_BY_STYLE, 0, 1 << 26};
    const struct gw_str value = answers_text(a, want, "value_b64");
    struct gw_message m = {0};
    struct gw_err err;

    if (answers_dropped(a, gw_flyteadmin_kafka(&how, ev, a->mem, &m, &err), want, &err))
        return;
    answers_same(a, "Kafka key", m.key, golden_string(a->mem, want, "key"));
    answers_same(a, "Kafka value", m.body, value.p ? gw_base64_decode(a->mem, value) : data);
    answers_headers(a, &m, golden_member(want, "headers"));
    answers_partitions(a, &m, golden_member(want, "partition_of"));
}

static inline void answers_nats(struct answers *a, const struct gw_event *ev, struct gw_str want)
{
    const struct gw_flyteadmin how = {(int)a->conf.style, GW_MODE_BY_STYLE, 0, 1 << 26};
    struct gw_message m = {0};
    struct gw_err err;

    if (!answers_dropped(a, gw_flyteadmin_nats(&how, ev, a->mem, &m, &err), want, &err))
        answers_same_but_now(a, "NATS payload", m.body, golden_string(a->mem, want, "data"));
}

/* ---- the event ---- */

struct answers_call {
    struct gw_hook_call call;
    int done;
};

static inline void answers_done(struct gw_hook_call *c)
{
    ((struct answers_call *)c)->done = 1;
}

/* Runs version 2's script on the event. */
static inline int answers_script(struct answers *a, struct gw_flyte_request *r, struct gw_event *ev,
                                 struct gw_err *err)
{
    struct answers_call c = {
        {.mem = a->mem, .event = ev, .request = r, .kind = (int)r->kind, .done = answers_done}, 0};
    struct gw_flyte facts;

    gw_flyte_facts(a->mem, r, &facts);
    c.call.flyte = &facts;
    gw_hooks_start(a->hooks, &c.call);
    CHECK(c.done);
    if (c.call.verdict == GW_HOOK_PUBLISH && c.call.n_events == 1) {
        *ev = *c.call.events[0];
        return 0;
    }
    return gw_err_set(err, GW_ERR_REJECT, "%s", c.call.text);
}

static inline int answers_event(struct answers *a, struct gw_flyte_request *r, struct gw_event *ev,
                                struct gw_err *err)
{
    gw_event_init(ev, a->mem);
    if (gw_style_make(&a->conf, r, ev, err))
        return -1;
    return a->conf.style == GW_STYLE_FLYTEADMIN_V2 ? answers_script(a, r, ev, err) : 0;
}

static inline void answers_sent(struct answers *a, struct gw_flyte_request *r, struct gw_str style,
                                struct gw_str want)
{
    const struct gw_str attributes = golden_member(want, "attributes");
    const struct gw_str data = answers_text(a, style, "data");
    struct gw_event ev;
    struct gw_err err = {0};

    if (answers_event(a, r, &ev, &err)) {
        answers_tell(a, err.msg);
        return;
    }
    answers_same(a, "data", ev.data, data.p ? data : r->bytes);
    if (attributes.p)
        answers_attributes(a, &ev, attributes);
    if (golden_member(want, "sns").p)
        answers_clouds(a, &ev, want, answers_base64(a, r->bytes));
    if (golden_member(want, "kafka").p)
        answers_kafka(a, &ev, golden_member(want, "kafka"), data);
    if (golden_member(want, "nats").p)
        answers_nats(a, &ev, golden_member(want, "nats"));
}

static inline void answers_style(struct answers *a, struct gw_flyte_request *r, struct gw_str style)
{
    static const char *const spacings[] = {"1", "2", "any"};
    const struct gw_str by = golden_member(style, "id_spacing");
    struct gw_event ev;
    struct gw_err err = {0};

    a->styles[a->conf.style]++;
    if (golden_member(style, "rejected").p) {
        a->conf.id_spacing = 1;
        a->rejected++;
        if (!answers_event(a, r, &ev, &err))
            answers_tell(a, "an event, where FlyteAdmin makes none");
        else if (err.kind != GW_ERR_REJECT)
            answers_tell(a, err.msg);
        return;
    }
    for (size_t i = 0; i < 3; i++) {
        struct gw_str want = golden_member(by, spacings[i]);

        a->conf.id_spacing = i == 1 ? 2 : 1;
        if (want.p)
            answers_sent(a, r, style, want);
    }
}

/* ---- lines ---- */

/* Version 2's script is opened once. */
static inline void answers_open(struct answers *a)
{
    static const struct gw_strs none;
    struct gw_hooks_conf conf = {
        .pipeline = "cloud_events",
        .scripts = &none,
        .limits = {.instructions = INT64_MAX / 2, .memory = 256 << 20, .timeout_ms = 60000},
        .style = &a->conf,
        .lua_path = gw_arena_printf(test_arena(), "%s/lua", spec_root()).p,
    };
    struct gw_err err;

    a->conf.style = GW_STYLE_FLYTEADMIN_V2;
    a->hooks = gw_hooks_open(&conf, &err);
    if (!a->hooks)
        fprintf(stderr, "%s\n", err.msg);
    CHECK(a->hooks);
}

static inline void answers_line(struct answers *a, struct gw_str line)
{
    static const char *const names[GW_STYLES] = {NULL, "flyteadmin", "flyteadmin-v2",
                                                 "flyteadmin-external"};
    struct gw_str styles = golden_member(line, "styles"), bytes;
    struct gw_flyte_request r;
    struct gw_err err;

    a->requests++;
    a->failed = 0;
    a->name = golden_string(a->mem, line, "name");
    a->style_name = GW_STR("request");
    bytes = gw_base64_decode(a->mem, golden_string(a->mem, line, "request_b64"));
    if (gw_flyte_decode(a->mem, golden_kind(a->mem, line), bytes, &r, &err)) {
        a->refused++;
        if (styles.p)
            answers_tell(a, err.msg);
        return;
    }
    if (!styles.p)
        answers_tell(a, "taken, where FlyteAdmin refuses it");
    for (size_t i = 1; styles.p && i < GW_STYLES; i++) {
        const struct gw_str style = golden_member(styles, names[i]);

        a->style_name = gw_str_of(names[i]);
        a->conf.style = (enum gw_style)i;
        if (style.p)
            answers_style(a, &r, style);
    }
}

static inline void answers_figures(const struct answers *a)
{
    printf("%zu requests: %zu are no message; styles flyteadmin %zu, flyteadmin-v2 %zu, "
           "flyteadmin-external %zu, %zu of them refused; %zu messages that the SDK's client "
           "refuses; %zu values compared, %zu differ\n",
           a->requests, a->refused, a->styles[1], a->styles[2], a->styles[3], a->rejected,
           a->dropped, a->compared, a->wrong);
}

#endif
