/* Routes of hooks: what becomes of them in each type's messages, and what check says of `routes`.
 */
#include "base/arena.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/field.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"
#include "net/loop.h"
#include "publish/publisher.h"
#include "test.h"

static const struct gw_header headers[] = {{GW_STR("X-Team"), GW_STR("ml")}};
static const struct gw_route routed = {GW_STR("there"), GW_STR("k"), headers, 1};

static void log_nowhere(const char *text, size_t len)
{
    (void)text;
    (void)len;
}

/* An event with this route, as a message of the publisher that the YAML says. */
static struct gw_message message(struct gw_arena *mem, const char *yaml, const struct gw_format *f,
                                 const struct gw_route *route)
{
    struct gw_problems p = {.mem = mem};
    struct gw_yaml *y = gw_yaml_parse("f", gw_str_of(yaml), 1, 1, &p);
    const struct gw_publisher_ops *ops = gw_publisher_find(gw_yaml_get(y, "type")->text.p);
    void *conf = gw_arena_zalloc(mem, ops->conf_size);
    struct gw_loop *l = gw_loop_new();
    struct gw_message m = {.key = GW_STR("record")};
    struct gw_publisher *publisher;
    struct gw_event ev;
    struct gw_err err;

    gw_diag_sink = log_nowhere;       /* nobody listens where these would go */
    for (size_t i = 0; i < y->n; i++) /* the union's own key */
        if (gw_str_is(y->keys[i].text, "type"))
            y->keys[i] = y->keys[y->n - 1], y->values[i] = y->values[--y->n];
    gw_fields_read(ops->fields, y, conf, &p, "publisher");
    CHECK(!p.n);
    publisher = ops->open(conf, f, l, &err);
    CHECK(publisher);
    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("1"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    ev.route = route;
    CHECK(!ops->format(publisher, gw_event_copy(&ev, mem), NULL, mem, &m, &err));
    gw_publisher_close(publisher);
    gw_loop_free(l);
    return m;
}

static int has_header(const struct gw_message *m, const char *name)
{
    for (size_t i = 0; i < m->n_headers; i++)
        if (gw_str_is(m->headers[i].name, name))
            return gw_str_is(m->headers[i].value, "ml");
    return 0;
}

#define KAFKA "{type: kafka, brokers: '127.0.0.1:1', topic: t}"
#define HTTP  "{type: http, url: 'http://127.0.0.1:1/'}"

TEST(test_route_gives_kafka_topic_key_and_headers)
{
    static const struct gw_route key_only = {.key = GW_STR("")};
    const struct gw_format structured = {0}, binary = {.mode = GW_MODE_BINARY};
    struct gw_arena *mem = gw_arena_new();
    struct gw_message plain = message(mem, KAFKA, &structured, NULL);
    struct gw_message m = message(mem, KAFKA, &structured, &routed);

    CHECK(!plain.topic.p && gw_str_is(plain.key, "record") && !has_header(&plain, "X-Team"));
    CHECK(gw_str_is(m.topic, "there") && gw_str_is(m.key, "k") && has_header(&m, "X-Team"));
    CHECK(m.n_headers == plain.n_headers + 1 && gw_str_eq(m.body, plain.body));
    CHECK(m.bytes == plain.bytes + 8 + 10 - 5); /* a header with its frame, a shorter key */
    m = message(mem, KAFKA, &binary, &routed);
    CHECK(gw_str_is(m.topic, "there") && has_header(&m, "X-Team") && m.n_headers == 5);
    m = message(mem, KAFKA, &binary, &key_only);
    CHECK(!m.topic.p && m.key.p && !m.key.len);
    m = message(mem, "{type: kafka, brokers: '127.0.0.1:1', topic: 'x{project}', key: none}",
                &structured, &routed);
    CHECK(gw_str_is(m.topic, "there") && gw_str_is(m.key, "k"));
    gw_arena_free(mem);
}

TEST(test_route_gives_http_a_url_and_headers)
{
    const struct gw_format structured = {0}, binary = {.mode = GW_MODE_BINARY};
    struct gw_arena *mem = gw_arena_new();
    struct gw_message plain = message(mem, HTTP, &binary, NULL);
    struct gw_message m = message(mem, HTTP, &binary, &routed);

    CHECK(!plain.topic.p && gw_str_is(m.topic, "there") && has_header(&m, "X-Team"));
    CHECK(m.n_headers == plain.n_headers + 1 && m.bytes == plain.bytes + 4 + 8);
    m = message(mem, HTTP, &structured, &routed);
    CHECK(m.n_headers == 1 && has_header(&m, "X-Team") && m.bytes == m.body.len + 12);
    gw_arena_free(mem);
}

TEST(test_route_changes_no_line_of_file_and_null)
{
    const struct gw_format structured = {0};
    struct gw_arena *mem = gw_arena_new();
    struct gw_message plain = message(mem, "{type: file, path: out}", &structured, NULL);
    struct gw_message m = message(mem, "{type: file, path: out}", &structured, &routed);

    CHECK(gw_str_eq(m.body, plain.body) && m.bytes == plain.bytes);
    m = message(mem, "{type: 'null'}", &structured, &routed);
    CHECK(gw_str_is(m.topic, "there"));
    gw_arena_free(mem);
}

/* ---- check ---- */

static const char *check(const char *type, const char *yaml)
{
    static char out[2000];
    const struct gw_publisher_ops *ops = gw_publisher_find(type);
    struct gw_problems p = {.mem = gw_arena_new()};
    struct gw_yaml *y = gw_yaml_parse("f", gw_str_of(yaml), 1, 1, &p);
    void *conf = gw_arena_zalloc(p.mem, ops->conf_size);
    const struct gw_format f = {0};
    size_t n = 0;

    gw_fields_read(ops->fields, y, conf, &p, "publisher");
    gw_publisher_check(ops, conf, &f, &p, y);
    out[0] = '\0';
    for (size_t i = 0; i < p.n && n < sizeof(out); i++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, "%d:%d: %s\n", p.items[i].line,
                              p.items[i].column, p.items[i].text);
    gw_arena_free(p.mem);
    return out;
}

TEST(test_route_check_finds_nothing_wrong_with_patterns_that_are_right)
{
    CHECK(!*check("kafka", "brokers: a\ntopic: t\nroutes: [audit, 'team-*', '*']\n"));
    CHECK(!*check("http",
                  "url: http://a/\nroutes: ['https://*.example.org/*', 'http://[::1]:80/?']\n"));
    CHECK(!*check("null", "routes: any\n"));
}

TEST(test_route_check_names_patterns_that_are_none)
{
    CHECK(!strcmp(check("kafka", "brokers: a\ntopic: t\nroutes: [ok, 'a b', '']\n"),
                  "3:14: routes: \"a b\": topic \"a b\": a topic has letters, digits, . _ -\n"
                  "3:21: routes: \"\": a topic has 1 to 249 characters\n"));
    CHECK(!strcmp(
        check("http", "url: http://a/\nroutes: ['*', 'https://', 'https://u@a/']\n"),
        "2:10: routes: \"*\": it begins with http:// or https://\n"
        "2:15: routes: \"https://\": it has no host\n"
        "2:27: routes: \"https://u@a/\": its host has letters, digits, . - : and [] only\n"));
    CHECK(!strcmp(check("http", "url: http://a/\nroutes: 'http://b/'\nhandshake: true\n"),
                  "3:12: handshake: it asks one destination for consent; not together with "
                  "routes\n"));
    CHECK(!strcmp(check("file", "path: out\nroutes: x\n"),
                  "2:9: routes: publisher file has one destination\n"));
}
