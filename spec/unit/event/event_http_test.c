#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "net/http.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

#define MAX 8

/* {"name", "value", …} as headers. */
static int read_http(struct gw_event *ev, const char *const *pairs, const char *body,
                     struct gw_err *err)
{
    struct gw_http_header h[MAX + 4] = {{GW_STR("ce-specversion"), GW_STR("1.0")},
                                        {GW_STR("ce-id"), GW_STR("1")},
                                        {GW_STR("ce-source"), GW_STR("/s")},
                                        {GW_STR("ce-type"), GW_STR("t")}};
    size_t n = 4;

    gw_event_init(ev, test_arena());
    for (; *pairs; pairs += 2)
        h[n++] = (struct gw_http_header){gw_str_of(pairs[0]), gw_str_of(pairs[1])};
    return gw_event_http_read(ev, h, n, gw_str_of(body), err);
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

TEST(test_event_http_reads_headers_and_body)
{
    struct gw_event ev;
    struct gw_err err;

    CHECK(!read_http(&ev,
                     HEADERS("content-type", "application/json", "ce-subject", "a%20b%c3%A4%zz%2",
                             "host", "h", "ce-team", "\"q \\\" %22\"", "ce-time",
                             "2026-01-02T03:04:05Z"),
                     "{\"a\": 1}", &err));
    CHECK(gw_str_is(gw_event_text(&ev, "subject"), "a b\xc3\xa4%zz%2"));
    CHECK(gw_str_is(gw_event_text(&ev, "team"), "q \" \""));
    CHECK(gw_str_is(gw_event_text(&ev, "datacontenttype"), "application/json"));
    CHECK(ev.data_kind == GW_DATA_JSON && gw_str_is(ev.data, "{\"a\": 1}"));
    CHECK(!gw_event_text(&ev, "host").p && !gw_event_text(&ev, "specversion").p);
}

/* What only begins and ends with a quote keeps them: the SDK for Go writes values as they are. */
TEST(test_event_http_takes_quotes_off_what_is_one_quoted_string)
{
    static const struct {
        const char *value, *text;
    } cases[] = {{"\"a\" and \"b\"", "\"a\" and \"b\""},
                 {"\"a\", \"b\"", "\"a\", \"b\""},
                 {"\"a\\\"", "\"a\\\""},
                 {"\"\\\"", "\"\\\""},
                 {"\"a\\\\\"", "a\\"},
                 {"\"%22\"", "\""},
                 {"\"\\\"\"", "\""},
                 {"a\\\"b", "a\\\"b"}};
    struct gw_event ev;
    struct gw_err err;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CHECK(!read_http(&ev, HEADERS("ce-subject", cases[i].value), "", &err));
        if (!gw_str_is(gw_event_text(&ev, "subject"), cases[i].text))
            fprintf(stderr, "%s: %.*s\n", cases[i].value, (int)gw_event_text(&ev, "subject").len,
                    gw_event_text(&ev, "subject").p);
        CHECK(gw_str_is(gw_event_text(&ev, "subject"), cases[i].text));
    }
}

TEST(test_event_http_takes_the_body_by_its_type)
{
    struct gw_event ev;
    struct gw_err err;

    CHECK(!read_http(&ev, HEADERS("content-type", "text/plain; charset=UTF-8"), "\xc3\xa4", &err));
    CHECK(ev.data_kind == GW_DATA_TEXT);
    CHECK(!read_http(&ev, HEADERS("content-type", "text/plain; charset=latin1"), "a", &err));
    CHECK(ev.data_kind == GW_DATA_BYTES);
    CHECK(!read_http(&ev, HEADERS("content-type", "text/plain"), "\xe4", &err));
    CHECK(ev.data_kind == GW_DATA_BYTES);
    CHECK(!read_http(&ev, HEADERS("content-type", "application/protobuf"), "{}", &err));
    CHECK(ev.data_kind == GW_DATA_BYTES);
    CHECK(!read_http(&ev, HEADERS("content-type", "application/json"), "", &err));
    CHECK(ev.data_kind == GW_DATA_NONE);
    CHECK(!read_http(&ev, HEADERS("x", "y"), "{}", &err));
    CHECK(ev.data_kind == GW_DATA_BYTES && !gw_event_text(&ev, "datacontenttype").p);
}

static int refuses(const char *const *pairs, const char *body, const char *what)
{
    struct gw_event ev;
    struct gw_err err = {0};

    if (read_http(&ev, pairs, body, &err) && err.kind == GW_ERR_REJECT && strstr(err.msg, what))
        return 1;
    fprintf(stderr, "got %s want %s\n", err.msg, what);
    return 0;
}

TEST(test_event_http_refuses_what_is_no_event)
{
    struct gw_event ev;
    struct gw_err err;

    CHECK(refuses(HEADERS("ce-id", "2"), "", "id: given twice"));
    CHECK(refuses(HEADERS("ce-specversion", "1.0"), "", "specversion: given twice"));
    CHECK(refuses(HEADERS("ce-datacontenttype", "a/b"), "", "ce-datacontenttype: "));
    CHECK(
        refuses(HEADERS("content-type", "a/b", "content-type", "a/b"), "", "content-type: given"));
    CHECK(refuses(HEADERS("ce-data", "x"), "", "data: not an attribute name"));
    CHECK(refuses(HEADERS("ce-a_b", "x"), "", "a_b: not an attribute name"));
    CHECK(refuses(HEADERS("ce-", "x"), "", ": not an attribute name"));
    CHECK(refuses(HEADERS("ce-a", "%c0%80"), "", "a: not UTF-8"));
    CHECK(refuses(HEADERS("ce-a", "%07"), "", "a: has a control character"));
    CHECK(refuses(HEADERS("ce-subject", ""), "", "subject: empty"));
    CHECK(refuses(HEADERS("ce-subject", "\"\""), "", "subject: empty"));
    CHECK(refuses(HEADERS("content-type", "application/json"), "{\"a\"", "data: JSON: line 1"));
    gw_event_init(&ev, test_arena());
    CHECK(gw_event_http_read(&ev, NULL, 0, GW_STR(""), &err));
    CHECK(strstr(err.msg, "specversion: missing"));
}

TEST(test_event_http_encodes_as_the_binding_says)
{
    struct gw_arena *mem = test_arena();

    CHECK(gw_str_is(gw_event_http_encode(mem, GW_STR("Euro \xe2\x82\xac \"%\"~!")),
                    "Euro%20%E2%82%AC%20%22%25%22~!"));
    CHECK(gw_str_is(gw_event_http_encode(mem, GW_STR("plain")), "plain"));
    CHECK(gw_str_is(gw_event_http_encode(mem, GW_STR("\x7f\xf0\x9f\x98\x80")), "%7F%F0%9F%98%80"));
    CHECK(gw_event_http_encode(mem, GW_STR("")).len == 0);
}

static int header_is(const struct gw_header *h, const char *name, const char *value)
{
    return gw_str_is(h->name, name) && gw_str_is(h->value, value);
}

TEST(test_event_kafka_headers_in_their_order)
{
    struct gw_arena *mem = test_arena();
    struct gw_header *h;
    struct gw_event ev;
    struct gw_err err;
    size_t n;

    CHECK(!read_http(&ev, HEADERS("ce-team", "%C3%A4", "ce-subject", "s", "content-type", "a/b"),
                     "x", &err));
    h = gw_event_kafka_headers(&ev, mem, &n);
    CHECK(n == 7);
    CHECK(header_is(&h[0], "ce_id", "1") && header_is(&h[1], "ce_source", "/s"));
    CHECK(header_is(&h[2], "ce_specversion", "1.0") && header_is(&h[3], "ce_type", "t"));
    CHECK(header_is(&h[4], "content-type", "a/b") && header_is(&h[5], "ce_team", "\xc3\xa4"));
    CHECK(header_is(&h[6], "ce_subject", "s"));
    gw_event_init(&ev, mem);
    CHECK(!gw_event_json_read(&ev,
                              GW_STR("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\","
                                     "\"type\":\"t\",\"n\":5,\"data\":{}}"),
                              &err));
    h = gw_event_kafka_headers(&ev, mem, &n);
    CHECK(n == 6 && header_is(&h[4], "content-type", "application/json"));
    CHECK(header_is(&h[5], "ce_n", "5"));
}
