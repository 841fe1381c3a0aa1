#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "google/protobuf/any.pb-c.h"
#include "io/cloudevents/v1/cloudevents.pb-c.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

#define REQUIRED "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""

static struct gw_str json_of(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_event_json_put(&b, ev);
    return gw_buf_str(&b);
}

static struct gw_str bytes_of(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_event_protobuf_put(&b, ev);
    return gw_buf_str(&b);
}

static int comes_out_as(struct gw_str bytes, const char *json,
                        int (*read)(struct gw_event *, struct gw_str, struct gw_err *))
{
    struct gw_arena *mem = test_arena();
    struct gw_event again;
    struct gw_err err = {0};
    struct gw_str got = GW_STR("");

    gw_event_init(&again, mem);
    if (!read(&again, bytes, &err))
        got = json_of(mem, &again);
    if (!gw_str_is(got, json))
        fprintf(stderr, "%s\n%.*s%s\n", json, (int)got.len, got.p, err.msg);
    return gw_str_is(got, json);
}

/* JSON through the protobuf form comes out as it went in: the log keeps events so. */
static int survives(const char *json)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev;
    struct gw_str bytes;
    struct gw_err err;

    gw_event_init(&ev, mem);
    CHECK(!gw_event_json_read(&ev, gw_str_of(json), &err));
    bytes = bytes_of(mem, &ev);
    return comes_out_as(bytes, json, gw_event_protobuf_read) &&
           comes_out_as(bytes, json, gw_event_protobuf_read_kept);
}

TEST(test_event_protobuf_loses_nothing)
{
    CHECK(survives("{" REQUIRED "}"));
    CHECK(survives("{" REQUIRED ",\"subject\":\"s\",\"time\":\"2026-01-02T03:04:05.100Z\","
                   "\"datacontenttype\":\"text/plain\",\"dataschema\":\"http://x/\",\"a\":true,"
                   "\"b\":false,\"c\":-2147483648,\"d\":0,\"e\":\"\",\"data\":\"\xc3\xa4\\\"\"}"));
    /* spellings of the same instant that a Timestamp cannot tell apart */
    CHECK(survives("{" REQUIRED ",\"time\":\"2026-01-02T03:04:05+01:00\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2026-01-02T03:04:05.1Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2026-01-02t03:04:05Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2026-01-02T03:04:05z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2016-12-31T23:59:60Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2016-12-31T23:59:59Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"2026-01-02T03:04:05.000Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"1970-01-01T00:00:00Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"1969-12-31T23:59:59.000000001Z\"}"));
    CHECK(survives("{" REQUIRED ",\"time\":\"0001-01-01T00:00:00Z\"}"));
    CHECK(survives("{" REQUIRED ",\"data\":{\"a\" :\t1.0,\"a\":2}}"));
    CHECK(survives("{" REQUIRED ",\"data\":null}"));
    CHECK(survives("{" REQUIRED ",\"datacontenttype\":\"a/b+json\",\"data\":\"x\"}"));
    CHECK(survives("{" REQUIRED ",\"data_base64\":\"AP/+\"}"));
    CHECK(survives("{" REQUIRED ",\"datacontenttype\":\"application/json\","
                   "\"data_base64\":\"e30=\"}"));
    CHECK(survives("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"\"}"));
    CHECK(survives("{" REQUIRED ",\"datacontenttype\":\"text/plain\",\"data\":\"{}\"}"));
    CHECK(survives("{" REQUIRED ",\"datacontenttype\":\"a/json\",\"data\":[1, {\"a\": \"\"}]}"));
}

TEST(test_event_protobuf_sends_a_time_as_a_timestamp)
{
    static const char *const texts[] = {"2026-01-02T03:04:05.25+01:00", "2026-01-02T02:04:05.2500Z",
                                        "2026-01-02T02:04:05.250Z"};
    struct gw_arena *mem = test_arena();

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct gw_event ev, again;
        struct gw_err err;
        struct gw_buf b;

        gw_event_init(&ev, mem);
        gw_event_init(&again, mem);
        CHECK(!gw_event_json_read(&ev, GW_STR("{" REQUIRED ",\"note\":\"2026-01-02\"}"), &err));
        gw_event_set(&ev, GW_STR("time"), gw_str_of(texts[i]));
        gw_buf_init(&b, 1 << 20, mem);
        gw_event_protobuf_send(&b, &ev);
        CHECK(!gw_event_protobuf_read(&again, gw_buf_str(&b), &err));
        CHECK(gw_event_get(&again, GW_STR("time"))->type == GW_ATTR_TIME);
        CHECK(gw_str_is(gw_event_text(&again, "time"), texts[2]));
        CHECK(gw_event_get(&again, GW_STR("note"))->type == GW_ATTR_STRING);
    }
}

static void *put(struct gw_arena *mem, Io__Cloudevents__V1__CloudEvent *m, size_t *n)
{
    uint8_t *p = gw_arena_alloc(mem, io__cloudevents__v1__cloud_event__get_packed_size(m) + 1);

    *n = io__cloudevents__v1__cloud_event__pack(m, p);
    return p;
}

static ProtobufCBinaryData text(const char *s)
{
    return (ProtobufCBinaryData){strlen(s), (uint8_t *)s};
}

typedef Io__Cloudevents__V1__CloudEvent__AttributesEntry Entry;
typedef Io__Cloudevents__V1__CloudEvent__CloudEventAttributeValue Value;
#define CASE(x) IO__CLOUDEVENTS__V1__CLOUD_EVENT__CLOUD_EVENT_ATTRIBUTE_VALUE__ATTR_##x

TEST(test_event_protobuf_reads_what_protobuf_c_writes)
{
    struct gw_arena *mem = test_arena();
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
    Io__Cloudevents__V1__CloudEvent m;
    Entry entries[7], *list[7];
    Value values[7];
    static const char *const names[] = {"b", "i", "s", "y", "u", "r", "time"};
    struct gw_event ev;
    struct gw_err err;
    size_t n;
    void *p;

    io__cloudevents__v1__cloud_event__init(&m);
    for (int i = 0; i < 7; i++) {
        io__cloudevents__v1__cloud_event__attributes_entry__init(&entries[i]);
        io__cloudevents__v1__cloud_event__cloud_event_attribute_value__init(&values[i]);
        entries[i].key = text(names[i]);
        entries[i].value = &values[i];
        list[i] = &entries[i];
    }
    values[0].attr_case = CASE(CE_BOOLEAN);
    values[0].ce_boolean = 1;
    values[1].attr_case = CASE(CE_INTEGER);
    values[1].ce_integer = -7;
    values[2].attr_case = CASE(CE_STRING);
    values[2].ce_string = text("");
    values[3].attr_case = CASE(CE_BYTES);
    values[3].ce_bytes = text("\xff\xfe");
    values[4].attr_case = CASE(CE_URI);
    values[4].ce_uri = text("http://u");
    values[5].attr_case = CASE(CE_URI_REF);
    values[5].ce_uri_ref = text("/r");
    values[6].attr_case = CASE(CE_TIMESTAMP);
    time.seconds = 1;
    time.nanos = 500000000;
    values[6].ce_timestamp = &time;
    any.type_url = text("type.example/T");
    any.value = text("abc");
    m.id = text("1");
    m.source = text("/s");
    m.spec_version = text("1.0");
    m.type = text("t");
    m.n_attributes = 7;
    m.attributes = list;
    m.data_case = IO__CLOUDEVENTS__V1__CLOUD_EVENT__DATA_PROTO_DATA;
    m.proto_data = &any;
    p = put(mem, &m, &n);
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, (struct gw_str){p, n}, &err));
    CHECK(gw_str_is(json_of(mem, &ev), "{" REQUIRED ",\"time\":\"1970-01-01T00:00:01.500Z\","
                                       "\"datacontenttype\":\"application/protobuf\","
                                       "\"dataschema\":\"type.example/T\",\"b\":true,\"i\":-7,"
                                       "\"s\":\"\",\"y\":\"//4=\",\"u\":\"http://u\",\"r\":\"/r\","
                                       "\"data_base64\":\"YWJj\"}"));
    /* and out again to the same bytes: the types are kept */
    CHECK(gw_str_eq(bytes_of(mem, &ev), (struct gw_str){p, n}));
}

static const char *error_of(const char *bytes, size_t n)
{
    static struct gw_err err;
    struct gw_arena *mem = test_arena();
    struct gw_event ev;

    err.msg[0] = 0;
    gw_event_init(&ev, mem);
    if (gw_event_protobuf_read(&ev, (struct gw_str){bytes, n}, &err))
        CHECK(err.kind == GW_ERR_REJECT);
    return err.msg;
}

#define HEAD                                                                                       \
    "\x0a\x01"                                                                                     \
    "1"                                                                                            \
    "\x12\x02/s"                                                                                   \
    "\x1a\x03"                                                                                     \
    "1.0"                                                                                          \
    "\x22\x01t"
#define ERROR_OF(bytes) error_of(bytes, sizeof(bytes) - 1)

TEST(test_event_protobuf_refuses_what_is_no_event)
{
    CHECK(!*ERROR_OF(HEAD));
    CHECK(!*ERROR_OF(HEAD "\x48\x01\x52\x01x")); /* unknown fields */
    CHECK(strstr(ERROR_OF(""), "specversion: missing"));
    CHECK(strstr(ERROR_OF("\x1a\x03"
                          "1.1"),
                 "specversion: not"));
    CHECK(strstr(ERROR_OF("\x1a\x03"
                          "1.0"),
                 "id: missing"));
    CHECK(strstr(ERROR_OF(HEAD HEAD), "id: given twice"));
    CHECK(strstr(ERROR_OF(HEAD "\x1a\x03"
                               "1.0"),
                 "specversion: given twice"));
    CHECK(strstr(ERROR_OF(HEAD "\x32\x01x\x3a\x01x"), "data: given twice"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x03\x0a\x01"
                               "a"),
                 "a: has no value"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x05\x0a\x01"
                               "a\x12\x00"),
                 "a: has no value"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x07\x0a\x01"
                               "a\x12\x02\x08\x01\x2a\x07\x0a\x01"
                               "a\x12\x02\x08\x01"),
                 "a: given twice"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x07\x0a\x01"
                               "A\x12\x02\x08\x01"),
                 "A: not an attribute name"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x0c\x0a\x04time\x12\x04\x3a\x00\x10\x05"),
                 "time: ")); /* a Timestamp, and then a number in its place */
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x08\x0a\x02id\x12\x02\x08\x01"), "id: given twice"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x09\x0a\x03"
                               "abc"
                               "\x12\x02\x1a\x01"),
                 "malformed protobuf at byte"));
    CHECK(strstr(ERROR_OF(HEAD "\x2a\x0a\x0a\x04time\x12\x02\x08\x01"), "time: not a string"));
    CHECK(strstr(ERROR_OF(HEAD "\x3a\x02\xc3("), "data: not UTF-8 at byte 0"));
    CHECK(strstr(ERROR_OF(HEAD "\x32\x05x"), "malformed protobuf at byte"));
    CHECK(strstr(ERROR_OF("\x08\x01"), "malformed protobuf"));
    CHECK(strstr(ERROR_OF("\xff"), "malformed protobuf"));
}

static struct gw_str payload_of(const char *any, size_t n)
{
    struct gw_arena *mem = test_arena();
    struct gw_event *ev = gw_arena_zalloc(mem, sizeof(*ev));
    struct gw_buf bytes;
    struct gw_err err;

    gw_buf_init(&bytes, 1024, mem);
    gw_buf_puts(&bytes, HEAD "\x42");
    gw_buf_putc(&bytes, (char)n);
    gw_buf_put(&bytes, any, n);
    gw_event_init(ev, mem);
    if (gw_event_protobuf_read(ev, gw_buf_str(&bytes), &err)) {
        CHECK(err.kind == GW_ERR_REJECT);
        return gw_str_of(gw_arena_strndup(mem, err.msg, strlen(err.msg)));
    }
    CHECK(ev->data_kind == GW_DATA_PROTO && ev->data.len == n && !memcmp(ev->data.p, any, n));
    return gw_event_payload(ev);
}
#define PAYLOAD_OF(any) payload_of(any, sizeof(any) - 1)

/* Else no reader of protobuf would take the event that we send on. */
TEST(test_event_protobuf_wants_an_any_that_is_one)
{
    CHECK(gw_str_is(PAYLOAD_OF(""), ""));
    CHECK(gw_str_is(PAYLOAD_OF("\x0a\x01t"), ""));
    CHECK(gw_str_is(PAYLOAD_OF("\x12\x01v\x0a\x01t"), "v"));
    CHECK(gw_str_is(PAYLOAD_OF("\x18\x05\x12\x01v\xa2\x06\x01x\x25"
                               "1234"),
                    "v"));
    CHECK(strstr(PAYLOAD_OF("\x0a\x05t").p, "data: not a google.protobuf.Any"));
    CHECK(strstr(PAYLOAD_OF("\x12\x01v\xff").p, "data: not a google.protobuf.Any"));
    CHECK(strstr(PAYLOAD_OF("\x0a\x01\xff").p, "data: the type URL is not UTF-8"));
}

static int has_header(const struct gw_header *h, size_t n, const char *name, const char *value)
{
    int found = 0;

    for (size_t i = 0; i < n; i++)
        found += gw_str_is(h[i].name, name) && gw_str_is(h[i].value, value);
    return found == 1;
}

/* A reader of the other forms is told what the bytes are. What the event says itself wins. */
TEST(test_event_protobuf_any_keeps_its_type_in_the_other_forms)
{
    static const char any[] = HEAD "\x42\x0a\x0a\x05"
                                   "u.x/T\x12\x01v",
                      odd[] = HEAD "\x42\x05\x0a\x03"
                                   "a b";
    struct gw_arena *mem = test_arena();
    struct gw_header *h;
    struct gw_event ev;
    struct gw_err err;
    struct gw_buf b;
    size_t n;

    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, (struct gw_str){any, sizeof(any) - 1}, &err));
    h = gw_event_kafka_headers(&ev, mem, &n);
    CHECK(n == 6 && has_header(h, n, "content-type", "application/protobuf"));
    CHECK(has_header(h, n, "ce_dataschema", "u.x/T"));
    h = gw_event_http_headers(&ev, mem, &n);
    CHECK(n == 6 && has_header(h, n, "ce-dataschema", "u.x/T"));
    h = gw_event_sdk_kafka_headers(&ev, mem, &n);
    CHECK(n == 6 && has_header(h, n, "ce_dataschema", "u.x/T"));
    gw_buf_init(&b, 1024, mem);
    gw_event_sdk_json_put(&b, &ev);
    gw_buf_putc(&b, '\0');
    CHECK(strstr(b.p, "\"datacontenttype\":\"application/protobuf\",\"dataschema\":\"u.x/T\""));
    CHECK(gw_str_eq(bytes_of(mem, &ev), (struct gw_str){any, sizeof(any) - 1}));
    gw_event_set(&ev, GW_STR("dataschema"), GW_STR("http://mine"));
    gw_event_set(&ev, GW_STR("datacontenttype"), GW_STR("text/x"));
    h = gw_event_kafka_headers(&ev, mem, &n);
    CHECK(n == 6 && has_header(h, n, "content-type", "text/x"));
    CHECK(has_header(h, n, "ce_dataschema", "http://mine"));
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, (struct gw_str){odd, sizeof(odd) - 1}, &err));
    CHECK(gw_event_kafka_headers(&ev, mem, &n) && n == 5); /* no URI */
}

TEST(test_event_protobuf_tells_json_text_by_its_type)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev;
    struct gw_err err;

#define JSON_TYPE                                                                                  \
    "\x2a\x1b\x0a\x0f"                                                                             \
    "datacontenttype"                                                                              \
    "\x12\x08\x1a\x06"                                                                             \
    "a/json"
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, GW_STR(HEAD "\x3a\x02{}" JSON_TYPE), &err));
    CHECK(ev.data_kind == GW_DATA_JSON);
    gw_event_init(&ev, mem);
    CHECK(gw_event_protobuf_read(&ev, GW_STR(HEAD JSON_TYPE "\x3a\x01{"), &err));
    CHECK(strstr(err.msg, "data: JSON: line 1"));
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, GW_STR(HEAD "\x3a\x01{"), &err));
    CHECK(ev.data_kind == GW_DATA_TEXT);
}

/* The log's own: it was looked through when it came in. All else is looked at as ever. */
TEST(test_event_protobuf_kept_data_is_not_looked_through_again)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev;
    struct gw_err err;

    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read_kept(&ev, GW_STR(HEAD JSON_TYPE "\x3a\x01{"), &err));
    CHECK(ev.data_kind == GW_DATA_JSON);
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read_kept(&ev, GW_STR(HEAD "\x3a\x01{"), &err));
    CHECK(ev.data_kind == GW_DATA_TEXT);
    gw_event_init(&ev, mem);
    CHECK(gw_event_protobuf_read_kept(&ev, GW_STR(HEAD HEAD), &err));
    CHECK(strstr(err.msg, "id: given twice"));
    gw_event_init(&ev, mem);
    CHECK(gw_event_protobuf_read_kept(&ev,
                                      GW_STR("\x1a\x03"
                                             "1.0"),
                                      &err));
    CHECK(strstr(err.msg, "id: missing"));
}

/* Tags and lengths of one byte are read by themselves. */
TEST(test_event_protobuf_reads_long_lengths_as_short_ones)
{
    for (size_t len = 100; len < 300; len += 7) {
        char json[512], subject[301];

        memset(subject, 's', len);
        subject[len] = '\0';
        snprintf(json, sizeof(json), "{" REQUIRED ",\"subject\":\"%s\",\"note\":\"x\"}", subject);
        CHECK(survives(json));
    }
}

TEST(test_event_protobuf_survives_what_is_cut_anywhere)
{
    static const char whole[] =
        HEAD "\x2a\x0c\x0a\x04time\x12\x04\x3a\x02\x08\x01" JSON_TYPE "\x3a\x02{}";

    CHECK(!*ERROR_OF(whole));
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *exact = malloc(n + 1);

        memcpy(exact, whole, n);
        error_of(exact, n);
        free(exact);
    }
}
