#include "../flyte/golden.h"
#include "event/event.h"
#include "event/format.h"

/* Against cloudevents-sdk.jsonl: events with everything a hook may put into them, written by the
 * SDK itself. */

static enum gw_attr_type type_of(struct gw_str name)
{
    static const char *const names[] = {"string", "bool", "int", "bytes"};

    for (int i = 0; i < 4; i++)
        if (gw_str_is(name, names[i]))
            return (enum gw_attr_type)(GW_ATTR_STRING + i);
    CHECK(!"a type");
    return 0;
}

static void set(struct gw_arena *mem, struct gw_event *ev, struct gw_str attr)
{
    const struct gw_str name = golden_string(mem, attr, "name");
    const struct gw_str text = golden_string(mem, attr, "text");

    switch (type_of(golden_string(mem, attr, "type"))) {
    case GW_ATTR_BOOL:
        gw_event_set_bool(ev, name, gw_str_is(text, "true"));
        break;
    case GW_ATTR_INT:
        gw_event_set_int(ev, name, (int32_t)strtol(gw_arena_str(mem, text).p, NULL, 10));
        break;
    case GW_ATTR_BYTES:
        gw_event_set_typed(ev, name, GW_ATTR_BYTES, text);
        break;
    default:
        gw_event_set(ev, name, text);
    }
}

/* Bytes in base64; p NULL: null. */
static struct gw_str bytes(struct gw_arena *mem, struct gw_str object, const char *name)
{
    if (gw_str_is(golden_member(object, name), "null"))
        return (struct gw_str){0};
    return gw_base64_decode(mem, golden_string(mem, object, name));
}

static struct gw_event event_of(struct gw_arena *mem, struct gw_str line)
{
    struct gw_event ev;
    struct gw_json j;
    struct gw_str attr;

    gw_event_init(&ev, mem);
    gw_json_init(&j, golden_member(line, "attributes"), 10);
    CHECK(gw_json_next(&j) == GW_JSON_ARRAY);
    while (gw_json_next(&j) == GW_JSON_OBJECT) {
        CHECK(!gw_json_value(&j, &attr));
        set(mem, &ev, attr);
    }
    ev.data = bytes(mem, line, "data_b64");
    ev.data_kind = ev.data.p ? GW_DATA_BYTES : GW_DATA_NONE;
    return ev;
}

static int same(struct gw_str name, const char *form, struct gw_str got, struct gw_str want)
{
    if (gw_str_eq(got, want))
        return 1;
    fprintf(stderr, "%.*s, %s\ngot  %.*s\nwant %.*s\n", (int)name.len, name.p, form, (int)got.len,
            got.p, (int)want.len, want.p);
    return 0;
}

static struct gw_str written(void (*put)(struct gw_buf *, const struct gw_event *),
                             const struct gw_event *ev)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, ev->mem);
    put(&b, ev);
    CHECK(!b.failed);
    return gw_buf_str(&b);
}

static int headers_are(struct gw_arena *mem, const struct gw_event *ev, struct gw_str want)
{
    struct gw_header *h;
    struct gw_json j;
    size_t n, i = 0;

    h = gw_event_sdk_kafka_headers(ev, mem, &n);
    gw_json_init(&j, want, 10);
    CHECK(gw_json_next(&j) == GW_JSON_ARRAY);
    for (; gw_json_next(&j) == GW_JSON_ARRAY; i++) {
        CHECK(i < n && h[i].value.p);
        gw_json_next(&j);
        if (!same(GW_STR("headers"), "name", h[i].name, gw_json_string(&j, mem)))
            return 0;
        gw_json_next(&j);
        if (!same(h[i].name, "value", h[i].value, gw_json_string(&j, mem)))
            return 0;
        CHECK(gw_json_next(&j) == GW_JSON_ARRAY_END);
    }
    return i == n;
}

/* JSON data that a hook set is written as the bytes it is. */
static void as_json(struct gw_event *ev)
{
    if (ev->data_kind == GW_DATA_BYTES && gw_event_is_json(ev) && ev->data.len)
        ev->data_kind = GW_DATA_JSON;
}

TEST(test_event_sdk_writes_what_the_sdk_writes)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_str text = golden_file(mem, "cloudevents-sdk.jsonl");
    int n = 0;

    for (struct gw_str line; (line = golden_line(&text)).p; n++) {
        const struct gw_str name = golden_string(mem, line, "name");
        struct gw_event ev = event_of(mem, line);

        for (int i = 0; i < 2; i++) {
            CHECK(same(name, "json", written(gw_event_sdk_json_put, &ev),
                       golden_string(mem, line, "json")));
            CHECK(same(name, "protobuf", written(gw_event_sdk_protobuf_put, &ev),
                       bytes(mem, line, "protobuf_b64")));
            CHECK(headers_are(mem, &ev, golden_member(line, "headers")));
            as_json(&ev);
        }
    }
    CHECK(n == 22);
    gw_arena_free(mem);
}

TEST(test_event_sdk_keeps_a_time_that_is_none)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_header *h;
    struct gw_event ev;
    struct gw_str bytes_of;
    size_t n;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("time"), GW_STR("tomorrow, at noon"));
    CHECK(gw_str_is(written(gw_event_sdk_json_put, &ev),
                    "{\"specversion\":\"1.0\",\"time\":\"tomorrow, at noon\"}"));
    h = gw_event_sdk_kafka_headers(&ev, mem, &n);
    CHECK(n == 2 && gw_str_is(h[1].value, "tomorrow, at noon"));
    bytes_of = written(gw_event_sdk_protobuf_put, &ev);
    CHECK(memmem(bytes_of.p, bytes_of.len,
                 "\x1a\x11"
                 "tomorrow",
                 10));
    gw_arena_free(mem);
}

/* FlyteAdmin sends them so; as text they would be no CloudEvents time. */
TEST(test_event_sdk_keeps_years_out_of_rfc_3339)
{
    static const char year[] =
        "*\x11\n\x04time\x12\x09:\x07\x08\x80\x83\xd1\xff\xaf\x07"; /* 10000 */
    struct gw_arena *mem = test_arena();
    struct gw_event ev;
    struct gw_buf out;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("time"), GW_STR("10002-01-01T00:00:00.500Z"));
    gw_buf_init(&out, 1000, mem);
    gw_event_sdk_json_put(&out, &ev);
    CHECK(memmem(out.p, out.len, "\"time\":\"10002-01-01T00:00:00.5Z\"", 32));
    gw_event_set(&ev, GW_STR("time"), GW_STR("10000-01-01T00:00:00Z"));
    gw_buf_clear(&out);
    gw_event_sdk_protobuf_put(&out, &ev);
    CHECK(memmem(out.p, out.len, year, sizeof(year) - 1));
}

TEST(test_event_sdk_stops_at_the_maximum)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev;
    struct gw_buf b;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("datacontenttype"), GW_STR("application/protobuf"));
    ev.data = golden_file(mem, "cloudevents-sdk.jsonl");
    ev.data_kind = GW_DATA_BYTES;
    gw_buf_init(&b, 100, mem);
    gw_event_sdk_json_put(&b, &ev);
    CHECK(b.failed);
    gw_buf_init(&b, 100, mem);
    gw_event_sdk_protobuf_put(&b, &ev);
    CHECK(b.failed);
    gw_arena_free(mem);
}
