/* Every message FlyteAdmin sends is read back: the vectors of spec/golden/flyteadmin as each broker
 * brings them, with and without an envelope of SNS. */
#include "flyte/incoming.h"

#include "event/event.h"
#include "event/format.h"
#include "flyte/golden.h"

#include <glob.h>

enum { HEADERS = 16 };

/* A vector in one style and spacing. */
struct vector {
    struct gw_arena *mem;
    enum gw_kind kind;
    struct gw_flyte_request request; /* what FlyteAdmin was given */
    struct gw_str style, attributes; /* p NULL: the external style has none */
    struct gw_str sent;              /* the object of the bindings */
};

struct message {
    struct gw_incoming in;
    struct gw_header headers[HEADERS];
};

static struct gw_str base64(const struct vector *v, struct gw_str object, const char *name)
{
    struct gw_str bytes = gw_base64_decode(v->mem, golden_string(v->mem, object, name));

    CHECK(bytes.p);
    return bytes;
}

/* Where the event has no time, the client put the time of sending. */
static struct gw_str with_time(struct gw_arena *mem, struct gw_str text)
{
    const char *now = memmem(text.p, text.len, "{now}", 5);

    if (!now)
        return text;
    return gw_arena_printf(mem, "%.*s2026-01-02T03:04:05Z%.*s", (int)(now - text.p), text.p,
                           (int)(text.p + text.len - now - 5), now + 5);
}

static void add_header(struct message *m, struct gw_str name, struct gw_str value)
{
    CHECK(m->in.n_headers < HEADERS);
    m->in.headers = m->headers;
    m->headers[m->in.n_headers++] = (struct gw_header){name, value};
}

static void sns_raw(const struct vector *v, struct message *m)
{
    m->in.body = golden_string(v->mem, golden_member(v->sent, "sns"), "message");
}

static void sns(const struct vector *v, struct message *m)
{
    sns_raw(v, m);
    m->in.subject = golden_string(v->mem, golden_member(v->sent, "sns"), "subject");
}

static void sns_envelope(const struct vector *v, struct message *m)
{
    struct gw_buf b;

    sns(v, m);
    gw_buf_init(&b, 1 << 24, v->mem);
    gw_buf_puts(&b, "{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"m\",\n"
                    "  \"TopicArn\" : \"arn:aws:sns:us-east-2:1:t\",\n  \"Subject\" : ");
    gw_json_put_string(&b, m->in.subject);
    gw_buf_puts(&b, ",\n  \"Message\" : ");
    gw_json_put_string(&b, m->in.body);
    gw_buf_puts(&b, ",\n  \"Timestamp\" : \"2026-03-02T08:15:34.000Z\"\n}");
    m->in = (struct gw_incoming){.body = gw_buf_str(&b)};
}

static void pubsub(const struct vector *v, struct message *m)
{
    struct gw_str sent = golden_member(v->sent, "pubsub");

    m->in.body = base64(v, sent, "data_b64");
    m->in.subject = golden_string(v->mem, golden_member(sent, "attributes"), "key");
    add_header(m, GW_STR("key"), m->in.subject);
}

/* Pushed without a wrapper: the attribute is only a header. */
static void pubsub_push(const struct vector *v, struct message *m)
{
    pubsub(v, m);
    m->in.subject = (struct gw_str){0};
}

static void kafka(const struct vector *v, struct message *m)
{
    struct gw_str sent = golden_member(v->sent, "kafka");
    struct gw_json j;

    m->in.body = base64(v, sent, "value_b64");
    gw_json_init(&j, golden_member(sent, "headers"), 3);
    CHECK(gw_json_next(&j) == GW_JSON_ARRAY);
    while (gw_json_next(&j) == GW_JSON_ARRAY) {
        struct gw_str name, value;

        CHECK(gw_json_next(&j) == GW_JSON_STRING);
        name = gw_json_string(&j, v->mem);
        CHECK(gw_json_next(&j) == GW_JSON_STRING);
        value = with_time(v->mem, gw_json_string(&j, v->mem));
        CHECK(gw_json_next(&j) == GW_JSON_ARRAY_END);
        add_header(m, name, value);
    }
}

static void nats(const struct vector *v, struct message *m)
{
    m->in.body = with_time(v->mem, golden_string(v->mem, golden_member(v->sent, "nats"), "data"));
}

static const struct binding {
    const char *name, *member;
    void (*fill)(const struct vector *v, struct message *m);
} bindings[] = {{"sns", "sns", sns},
                {"sns raw", "sns", sns_raw},
                {"sns envelope", "sns", sns_envelope},
                {"pubsub", "pubsub", pubsub},
                {"pubsub push", "pubsub", pubsub_push},
                {"kafka", "kafka", kafka},
                {"nats", "nats", nats}};

/* ---- what must come back ---- */

static struct gw_str json_of(const struct vector *v, const ProtobufCMessage *m)
{
    struct gw_buf b;
    struct gw_err err;

    gw_buf_init(&b, 1 << 24, v->mem);
    CHECK(!gw_pb_json_put(&b, m, &err));
    return gw_buf_str(&b);
}

static const ProtobufCMessage *event_of(const struct gw_flyte_request *r)
{
    return *(ProtobufCMessage **)gw_pb_member(r->msg,
                                              gw_pb_field(r->msg->descriptor, GW_STR("event")));
}

/* Version 2 wraps the event alone. */
static void check_request(const struct vector *v, const struct gw_flyte_request *got)
{
    CHECK(got->kind == v->kind);
    if (gw_str_is(v->style, "flyteadmin-v2"))
        CHECK(golden_same(v->mem, json_of(v, event_of(got)), json_of(v, event_of(&v->request))));
    else
        CHECK(golden_same(v->mem, json_of(v, got->msg), json_of(v, v->request.msg)));
}

static int same_time(struct gw_str a, struct gw_str b)
{
    struct gw_time x, y;

    CHECK(!gw_time_parse(a, &x) && !gw_time_parse(b, &y));
    return x.sec == y.sec && x.nanos == y.nanos;
}

static void check_attribute(const struct vector *v, const struct gw_event *ev, struct gw_str object,
                            const char *name)
{
    struct gw_str raw = golden_member(object, name), got = gw_event_text(ev, name), want;

    if (!raw.p) {
        CHECK(!strcmp(name, "time")); /* the client's, or none */
        return;
    }
    want = golden_string(v->mem, object, name);
    if (!strcmp(name, "source") && !want.len) /* a URL that Go cannot parse */
        want = GW_STR("https://github.com/flyteorg/flyte/flyteadmin");
    if (!strcmp(name, "time") && same_time(got, want)) /* protobuf's has no text */
        return;
    if (!gw_str_eq(got, want))
        fprintf(stderr, "%s: got %.*s want %.*s\n", name, (int)got.len, got.p, (int)want.len,
                want.p);
    CHECK(gw_str_eq(got, want));
}

static void check_event(const struct vector *v, const struct gw_incoming_record *rec)
{
    static const char *const names[] = {"id", "source", "type", "datacontenttype", "time"};
    struct gw_flyte_request got;
    struct gw_event ev;
    struct gw_err err;
    unsigned n = 0;

    CHECK(rec->kind == GW_OTHER);
    gw_event_init(&ev, v->mem);
    CHECK(!gw_event_protobuf_read(&ev, rec->payload, &err));
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        check_attribute(v, &ev, v->attributes, names[i]);
    check_attribute(v, &ev, golden_member(v->attributes, "extensions"), "jsonschemaurl");
    for (const struct gw_attr *a = ev.attrs; a; a = a->next)
        n++;
    CHECK(n == 5U + !!gw_event_text(&ev, "time").p);
    CHECK(gw_str_eq(rec->event_id, gw_event_text(&ev, "id")));
    CHECK(gw_flyte_from_event(&ev, &got));
    CHECK(gw_flyte_carried_in(rec->payload) == v->kind);
    check_request(v, &got);
}

static void check_record(const struct vector *v, const struct gw_incoming_record *rec)
{
    struct gw_flyte_request got;
    struct gw_err err;

    CHECK(gw_str_eq(rec->key, gw_flyte_key(v->mem, &v->request)));
    CHECK(!rec->traceparent.p);
    if (v->attributes.p) {
        check_event(v, rec);
        return;
    }
    CHECK(rec->kind == v->kind && !rec->event_id.p);
    CHECK(!gw_flyte_decode(v->mem, rec->kind, rec->payload, &got, &err));
    check_request(v, &got);
}

/* As the request that it carries: `as` says the kind. */
static void check_as_kind(const struct vector *v, const struct message *m)
{
    struct gw_incoming_record rec;
    struct gw_flyte_request got;
    struct gw_err err;

    CHECK(!gw_incoming_read(v->mem, GW_AS_WORKFLOW + v->kind, &m->in, &rec, &err));
    CHECK(rec.kind == v->kind && !rec.event_id.p);
    CHECK(gw_str_eq(rec.key, gw_flyte_key(v->mem, &v->request)));
    CHECK(!gw_flyte_decode(v->mem, rec.kind, rec.payload, &got, &err));
    check_request(v, &got);
}

static void check_binding(const struct vector *v, const struct binding *b)
{
    struct message m = {0};
    struct gw_incoming_record rec;
    struct gw_err err = {0};
    struct gw_str sent = golden_member(v->sent, b->member);

    if (!sent.p || golden_member(sent, "dropped").p)
        return;
    b->fill(v, &m);
    if (gw_incoming_read(v->mem, GW_AS_AUTO, &m.in, &rec, &err)) {
        fprintf(stderr, "%.*s, %s: %s\n", (int)v->style.len, v->style.p, b->name, err.msg);
        CHECK(0);
    }
    check_record(v, &rec);
    check_as_kind(v, &m);
    if (v->attributes.p)
        CHECK(!gw_incoming_read(v->mem, GW_AS_CLOUDEVENT, &m.in, &rec, &err));
    else
        CHECK(gw_incoming_read(v->mem, GW_AS_CLOUDEVENT, &m.in, &rec, &err) &&
              strstr(err.msg, "as: cloudevent: not one"));
}

static unsigned check_style(struct vector *v, struct gw_str style)
{
    struct gw_str spacings = golden_member(style, "id_spacing");
    unsigned n = 0;
    struct gw_json j;

    if (!spacings.p) /* it cannot be told in this style */
        return 0;
    gw_json_init(&j, spacings, 500);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT);
    while (gw_json_next(&j) == GW_JSON_KEY) {
        CHECK(!gw_json_value(&j, &v->sent));
        v->attributes = golden_member(v->sent, "attributes");
        for (size_t i = 0; i < sizeof(bindings) / sizeof(*bindings); i++)
            check_binding(v, &bindings[i]);
        n++;
    }
    return n;
}

static unsigned check_file(const char *path)
{
    struct gw_arena *mem = gw_arena_new();
    const char *root = spec_root();
    struct gw_str text = golden_file(mem, path + strlen(root) + strlen("/spec/golden/"));
    struct vector v = {.mem = mem, .kind = golden_kind(mem, text)};
    struct gw_err err;
    struct gw_json j;
    unsigned n = 0;

    CHECK(!gw_flyte_decode(mem, v.kind, base64(&v, text, "request_b64"), &v.request, &err));
    gw_json_init(&j, golden_member(text, "styles"), 500);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT);
    while (gw_json_next(&j) == GW_JSON_KEY) {
        struct gw_str style;

        v.style = gw_json_string(&j, mem);
        CHECK(!gw_json_value(&j, &style));
        n += check_style(&v, style);
    }
    gw_arena_free(mem);
    return n;
}

TEST(test_incoming_reads_every_message_of_flyteadmin)
{
    char pattern[4096];
    unsigned n = 0;
    glob_t g;

    snprintf(pattern, sizeof(pattern), "%s/spec/golden/flyteadmin/*.json", spec_root());
    CHECK(!glob(pattern, 0, NULL, &g) && g.gl_pathc > 10);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        unsigned styles = check_file(g.gl_pathv[i]);

        if (!styles)
            fprintf(stderr, "%s\n", g.gl_pathv[i]);
        CHECK(styles);
        n += styles;
    }
    CHECK(n > 4 * g.gl_pathc);
    globfree(&g);
}
