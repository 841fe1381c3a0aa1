#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

static struct gw_event *read_event(struct gw_arena *mem, const char *json)
{
    struct gw_event *ev = gw_arena_alloc(mem, sizeof(*ev));
    struct gw_err err;

    gw_event_init(ev, mem);
    if (gw_event_json_read(ev, gw_str_of(json), &err)) {
        fprintf(stderr, "%s\n%s\n", json, err.msg);
        exit(1);
    }
    return ev;
}

static struct gw_str write_event(struct gw_arena *mem, const struct gw_event *ev)
{
    struct gw_buf b;

    gw_buf_init(&b, 1 << 20, mem);
    gw_event_json_put(&b, ev);
    return gw_buf_str(&b);
}

/* in is an event; out what becomes of it. */
static int becomes(const char *in, const char *out)
{
    struct gw_arena *mem = test_arena();
    struct gw_str got = write_event(mem, read_event(mem, in));

    if (gw_str_is(got, out))
        return 1;
    fprintf(stderr, "got  %.*s\nwant %s\n", (int)got.len, got.p, out);
    return 0;
}

#define REQUIRED      "\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""
#define WITH(members) "{" REQUIRED "," members "}"

static int refuses(const char *json, const char *what)
{
    struct gw_arena *mem = test_arena();
    struct gw_err err = {0};
    struct gw_event ev;

    gw_event_init(&ev, mem);
    if (gw_event_json_read(&ev, gw_str_of(json), &err) && err.kind == GW_ERR_REJECT &&
        strstr(err.msg, what))
        return 1;
    fprintf(stderr, "%s\n got  %s\n want %s\n", json, err.msg, what);
    return 0;
}

TEST(test_event_json_keeps_what_it_reads)
{
    CHECK(becomes("{" REQUIRED "}", "{" REQUIRED "}"));
    /* the order is ours */
    CHECK(becomes("{\"data\": {\"b\" : [1, 2.50] },\"zz\":\"e\",\"dataschema\":\"http://x\","
                  "\"datacontenttype\":\"application/json\",\"time\":\"2026-01-02T03:04:05+01:00\","
                  "\"subject\":\"s\",\"flag\":true,\"n\":-5,\"type\":\"t\",\"source\":\"/s\","
                  "\"id\":\"1\",\"specversion\":\"1.0\"}",
                  WITH("\"subject\":\"s\",\"time\":\"2026-01-02T03:04:05+01:00\","
                       "\"datacontenttype\":\"application/json\",\"dataschema\":\"http://x\","
                       "\"zz\":\"e\",\"flag\":true,\"n\":-5,\"data\":{\"b\" : [1, 2.50] }")));
    CHECK(becomes(WITH("\"a\":null,\"b\":-0,\"c\":2147483647,\"d\":-2147483648,\"e\":\"\""),
                  WITH("\"b\":0,\"c\":2147483647,\"d\":-2147483648,\"e\":\"\"")));
    CHECK(becomes(WITH("\"te\\u0061m\":\"\\u00e4\\\"\" ,\"data\":null"),
                  WITH("\"team\":\"\xc3\xa4\\\"\",\"data\":null")));
}

TEST(test_event_json_keeps_data_byte_for_byte)
{
    CHECK(becomes(WITH("\"data\":123456789012345678901234567890.10"),
                  WITH("\"data\":123456789012345678901234567890.10")));
    CHECK(becomes(WITH("\"data\":{\"a\":1,\"a\":2}"), WITH("\"data\":{\"a\":1,\"a\":2}")));
    CHECK(becomes(WITH("\"data\":\"\\u0041\\/\""), WITH("\"data\":\"\\u0041\\/\"")));
    CHECK(becomes(WITH("\"data\":\"\\ud800\""), WITH("\"data\":\"\\ud800\"")));
    CHECK(becomes(WITH("\"a\":\"\\ufffd\\ud83d\\ude00\""),
                  WITH("\"a\":\"\xef\xbf\xbd\xf0\x9f\x98\x80\"")));
    CHECK(becomes(WITH("\"data\":null"), WITH("\"data\":null")));
    CHECK(becomes(WITH("\"data\":{\n \"x\":1}"), WITH("\"data\":{\n \"x\":1}")));
    CHECK(becomes(WITH("\"datacontenttype\":\"text/xml\",\"data\":\"<a\\/>\\u00e4\""),
                  WITH("\"datacontenttype\":\"text/xml\",\"data\":\"<a/>\xc3\xa4\"")));
    CHECK(becomes(WITH("\"data_base64\":\"AP_-\""), WITH("\"data_base64\":\"AP/+\"")));
    CHECK(becomes(WITH("\"data\":1,\"data_base64\":null"), WITH("\"data\":1")));
    CHECK(becomes(WITH("\"data_base64\":\"\""), WITH("\"data_base64\":\"\"")));
    CHECK(becomes(WITH("\"datacontenttype\":\"text/x\",\"data\":null"),
                  WITH("\"datacontenttype\":\"text/x\"")));
    CHECK(becomes(WITH("\"data\":[],\"datacontenttype\":\"Application/CloudEvents+JSON; a=b\""),
                  WITH("\"datacontenttype\":\"Application/CloudEvents+JSON; a=b\",\"data\":[]")));
}

/* A hook may say so: its text is a string then, or it would be no event of that type. */
TEST(test_event_json_of_another_type_is_a_string)
{
    struct gw_arena *mem = test_arena();
    struct gw_event *ev = read_event(mem, WITH("\"data\": {\"a\":1} "));

    gw_event_set(ev, GW_STR("datacontenttype"), GW_STR("text/plain"));
    CHECK(gw_str_is(write_event(mem, ev), WITH("\"datacontenttype\":\"text/plain\","
                                               "\"data\":\"{\\\"a\\\":1}\"")));
}

TEST(test_event_json_refuses_what_is_no_event)
{
    CHECK(refuses("", "JSON: line 1"));
    CHECK(refuses("[]", "not a JSON object"));
    CHECK(refuses("{\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"}", "specversion: missing"));
    CHECK(refuses("{\"specversion\":\"0.3\"}", "specversion: not \"1.0\""));
    CHECK(refuses("{\"specversion\":1.0}", "specversion: not \"1.0\""));
    CHECK(refuses("{\"specversion\":null}", "specversion: not \"1.0\""));
    CHECK(refuses("{\"specversion\":\"1.0\",\"source\":\"/s\",\"type\":\"t\"}", "id: missing"));
    CHECK(refuses("{\"specversion\":\"1.0\",\"id\":\"1\",\"type\":\"t\"}", "source: missing"));
    CHECK(refuses("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"}", "type: missing"));
    CHECK(refuses("{\"specversion\":\"1.0\",\"id\":null,\"source\":\"/s\",\"type\":\"t\"}",
                  "id: missing"));
    CHECK(refuses("{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"/s\",\"type\":\"t\"}",
                  "id: empty"));
    CHECK(refuses("{\"specversion\":\"1.0\",\"id\":5,\"source\":\"/s\",\"type\":\"t\"}",
                  "id: not a string"));
    CHECK(refuses(WITH("\"subject\":\"\""), "subject: empty"));
    CHECK(refuses(WITH("\"dataschema\":\"\""), "dataschema: empty"));
    CHECK(refuses(WITH("\"time\":\"yesterday\""), "time: not an RFC 3339 time: yesterday"));
    CHECK(refuses(WITH("\"time\":true"), "time: not a string"));
    CHECK(refuses(WITH("\"Team\":\"x\""), "Team: not an attribute name"));
    CHECK(refuses(WITH("\"some_name\":\"x\""), "some_name: not an attribute name"));
    CHECK(refuses(WITH("\"some_name\":null"), "some_name: not an attribute name"));
    CHECK(refuses(WITH("\"\":\"x\""), ": not an attribute name"));
    CHECK(refuses(WITH("\"n\":1.5"), "n: neither a string, a boolean nor an integer"));
    CHECK(refuses(WITH("\"n\":1e2"), "n: neither"));
    CHECK(refuses(WITH("\"n\":2147483648"), "n: neither"));
    CHECK(refuses(WITH("\"n\":-2147483649"), "n: neither"));
    CHECK(refuses(WITH("\"n\":99999999999999999999999"), "n: neither"));
    CHECK(refuses(WITH("\"n\":18446744073709551617"), "n: neither")); /* 1, in 64 bits */
    CHECK(refuses(WITH("\"n\":{}"), "n: neither"));
    CHECK(refuses(WITH("\"n\":[1]"), "n: neither"));
    CHECK(refuses(WITH("\"n\":\"a\\u0007\""), "n: has a control character"));
    CHECK(refuses(WITH("\"n\":\"a\\u0085\""), "n: has a control character"));
    CHECK(refuses(WITH("\"n\":\"a\\ufffe\""), "n: has a Unicode noncharacter"));
    CHECK(refuses(WITH("\"n\":\"a\\ud83f\\udffe\""), "n: has a Unicode noncharacter"));
    CHECK(refuses(WITH("\"n\":\"\xff\""), "JSON: line 1"));
    CHECK(refuses(WITH("\"n\":\"a\\udc00\""), "n: not UTF-8"));
    CHECK(refuses(WITH("\"datacontenttype\":\"text/plain\",\"data\":5"),
                  "data: not a string, and datacontenttype is not JSON"));
    CHECK(refuses(WITH("\"data\":1,\"data_base64\":\"\""), "data: given beside data_base64"));
    CHECK(refuses(WITH("\"data\":null,\"data_base64\":\"\""), "data: given beside data_base64"));
    CHECK(refuses(WITH("\"data_base64\":\"?\""), "data_base64: not a base64 string"));
    CHECK(refuses(WITH("\"data_base64\":5"), "data_base64: not a base64 string"));
    CHECK(refuses(WITH("\"datacontenttype\":\"text/plain\",\"data\":{}"), "data: not a string"));
    CHECK(refuses("{" REQUIRED "} {", "JSON: line 1"));
    CHECK(refuses("{" REQUIRED, "JSON: line 1"));
}

TEST(test_event_json_says_where_half_a_surrogate_pair_is)
{
    CHECK(refuses(WITH("\n\"n\":\"a\\udc00\""),
                  "n: not UTF-8 (half a surrogate pair at line 2, column 7)"));
    CHECK(refuses(WITH("\n\n\"n\":\"\\ud83d\\ude00\\ud83d\\\\\""),
                  "n: not UTF-8 (half a surrogate pair at line 3, column 18)"));
    CHECK(refuses(WITH("\"datacontenttype\":\"text/plain\",\n \"data\":\"\\ud800\""),
                  "data: not UTF-8 (half a surrogate pair at line 2, column 10)"));
    CHECK(refuses(WITH("\n\"data_base64\":\"AA\\ud800\""),
                  "data_base64: not UTF-8 (half a surrogate pair at line 2, column 18)"));
}

TEST(test_event_json_refuses_members_given_twice)
{
    CHECK(refuses(WITH("\"id\":\"2\""), "id: given twice"));
    CHECK(refuses(WITH("\"specversion\":\"1.0\""), "specversion: given twice"));
    CHECK(refuses(WITH("\"team\":\"a\",\"te\\u0061m\":\"a\""), "team: given twice"));
    CHECK(refuses(WITH("\"team\":null,\"team\":\"a\""), "team: given twice"));
    CHECK(refuses(WITH("\"team\":\"a\",\"team\":null"), "team: given twice"));
    CHECK(refuses(WITH("\"team\":null,\"team\":null"), "team: given twice"));
    CHECK(refuses(WITH("\"data\":1,\"data\":1"), "data: given twice"));
    CHECK(refuses(WITH("\"data_base64\":\"\",\"data_base64\":null"), "data_base64: given twice"));
}

TEST(test_event_json_bounds_attributes)
{
    struct gw_arena *mem = test_arena();
    struct gw_buf b;

    for (int n = 253; n <= 254; n++) {
        gw_buf_init(&b, 1 << 20, mem);
        gw_buf_puts(&b, "{" REQUIRED);
        for (int i = 0; i < n; i++)
            gw_buf_printf(&b, ",\"a%d\":\"\"", i);
        gw_buf_put(&b, "}", 2);
        if (n == 253)
            read_event(mem, b.p);
        else
            CHECK(refuses(b.p, "a253: more than 256 attributes"));
    }
}

static int is_taken(void *ctx, struct gw_event *ev, struct gw_err *err)
{
    (void)err;
    *(int *)ctx = ev->data_kind == GW_DATA_JSON;
    return 0;
}

/* n arrays in each other, in each form that has JSON. */
static int take_nested(int n)
{
    struct gw_arena *mem = test_arena();
    struct gw_str event, data;
    struct gw_event ev;
    struct gw_buf b;
    struct gw_err err;
    int one, batch = 0, text;

    gw_buf_init(&b, 1 << 10, mem);
    for (int i = 0; i < n; i++)
        gw_buf_putc(&b, '[');
    for (int i = 0; i < n; i++)
        gw_buf_putc(&b, ']');
    data = gw_buf_str(&b);
    event = gw_arena_printf(mem, "{" REQUIRED ",\"data\":%.*s}", (int)data.len, data.p);
    gw_event_init(&ev, mem);
    one = !gw_event_json_read(&ev, event, &err);
    gw_event_batch_read(mem, gw_arena_printf(mem, "[%s]", event.p), is_taken, &batch, &err);
    gw_buf_init(&b, 1 << 10, mem);
    gw_buf_puts(&b, "\x0a\x01"
                    "1\x12\x02/s\x1a\x03"
                    "1.0\x22\x01t\x3a");
    gw_buf_putc(&b, (char)(data.len | 0x80));
    gw_buf_putc(&b, (char)(data.len >> 7));
    gw_buf_put_str(&b, data);
    gw_event_init(&ev, mem);
    CHECK(!gw_event_protobuf_read(&ev, gw_buf_str(&b), &err));
    text = ev.data_kind == GW_DATA_JSON; /* else a text that is not JSON: no type says what it is */
    CHECK(one == batch && one == text);
    return one;
}

/* Else what came in one form could not be read in another, and an execution of ours that nests 100
 * deep not by the next of us. */
TEST(test_event_json_data_nests_as_deep_in_every_form)
{
    CHECK(take_nested(100));
    CHECK(!take_nested(101));
}

static int count(void *ctx, struct gw_event *ev, struct gw_err *err)
{
    ++*(int *)ctx;
    if (gw_str_is(gw_event_text(ev, "id"), "stop"))
        return gw_err_set(err, GW_ERR_REJECT, "stopped");
    return 0;
}

static const char *batch(const char *json, int *n)
{
    static struct gw_err err;

    err.msg[0] = 0;
    *n = 0;
    gw_event_batch_read(test_arena(), gw_str_of(json), count, n, &err);
    return err.msg;
}

TEST(test_event_json_batch_names_the_event_that_is_wrong)
{
    int n;

    CHECK(!*batch("[]", &n) && n == 0);
    CHECK(!*batch("[{" REQUIRED "}, {" REQUIRED "}]", &n) && n == 2);
    CHECK(!strcmp(batch("[{" REQUIRED "},{" REQUIRED ",\"time\":\"x\"}]", &n),
                  "events[1].time: not an RFC 3339 time: x") &&
          n == 1);
    CHECK(!strcmp(batch("[{" REQUIRED "},5]", &n), "events[1]: not a JSON object"));
    CHECK(!strcmp(batch("[{\"specversion\":\"1.0\",\"id\":\"stop\",\"source\":\"/s\","
                        "\"type\":\"t\"}]",
                        &n),
                  "events[0]: stopped"));
    CHECK(!strcmp(batch("{}", &n), "a batch is a JSON array"));
    CHECK(strstr(batch("[{" REQUIRED "},", &n), "JSON: line 1"));
    CHECK(strstr(batch("[{" REQUIRED "}] 1", &n), "JSON: line 1"));
    CHECK(strstr(batch("", &n), "JSON: line 1"));
}
