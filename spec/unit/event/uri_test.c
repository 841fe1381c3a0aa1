#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

static void every(const char *const *list, size_t n, int ok(struct gw_str), int want)
{
    for (size_t i = 0; i < n; i++)
        if (ok(gw_str_of(list[i])) != want) {
            fprintf(stderr, "%s: not %d\n", list[i], want);
            exit(1);
        }
}

#define EVERY(list, ok, want) every(list, sizeof(list) / sizeof(*(list)), ok, want)

TEST(test_uri_references_are_those_of_rfc_3986)
{
    static const char *const good[] = {
        "",
        "/",
        "a",
        "#",
        "/mycontext/subcontext",
        "https://github.com/cloudevents",
        "mailto:cncf-wg-serverless@lists.cncf.io",
        "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
        "cloudevents/spec/pull/123",
        "1-555-123-4567",
        "//user:pw%20x@host:80/a?b=c/d?e#f/?",
        "http://[2001:db8::1]:8080/x",
        "//[v1.a:b]",
        "//[::ffff:1.2.3.4]",
        "http://host:/",
        "a/b:c",
        "./1:2",
        "?a:b",
        "file:///etc",
        "x:",
        "/a;b=1,2/(c)!$&'*+~._-@:",
        "arn:aws:sns:us-east-1:123456789012:topic",
        "/d%C3%A9j\xc3\xa0/\xe6\x9d\xb1",
        "s3://b/k%41",
    };
    static const char *const bad[] = {
        "a b",
        " ",
        "1a:b",
        ":a",
        "10.0.0.1:80",
        "a^",
        "<x>",
        "\"/s\"",
        "a\\b",
        "{x}",
        "a|b",
        "`",
        "%",
        "/a%2",
        "/a%gg",
        "a#b#c",
        "http://[::1",
        "http://[]/",
        "//h:8x/",
        "//a b/",
        "//[::1]x",
        "//[80]",
        "//[v.a]",
        "//[v1.]",
        "//[12345::1]",
        "//[1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20]",
        "//u[@h",
        "a?[b]",
        "http://h/[a]",
        "\xc3\xa4:x#",
    };

    EVERY(good, gw_uri_reference_ok, 1);
    EVERY(bad, gw_uri_reference_ok, 0);
}

TEST(test_uri_media_types_are_those_of_rfc_2046)
{
    static const char *const good[] = {"a/b", "application/json", "text/plain; charset=\"utf-8\"",
                                       "application/vnd.x-1.y+json ;v=1", "a/b;"};
    static const char *const bad[] = {"",      "json",  "/",     "a/", "/b",
                                      "a/b c", "a b/c", "a/b/c", ";",  "a/b,c/d"};

    EVERY(good, gw_media_type_ok, 1);
    EVERY(bad, gw_media_type_ok, 0);
}

TEST(test_uri_the_charset_is_the_parameter_of_that_name)
{
    static const char *const utf8[] = {"a/b",
                                       "a/b; charset=utf-8",
                                       "a/b;CharSet=\"UTF-8\" ;x=y",
                                       "a/b; p=\"; charset=latin1\"; charset=utf8",
                                       "a/b; xcharset=latin1",
                                       "a/b; p=\"\\\";charset=x\"",
                                       "a/b;charset=US-ASCII",
                                       "a/b; p=\"\\",
                                       "a/b;;; "};
    static const char *const other[] = {"a/b; charset=latin1",
                                        "a/b; charset=utf-16",
                                        "a/b; charset=utf-8x",
                                        "a/b;p=\"q\";\tcharset=\"x\"",
                                        "a/b; charset=",
                                        "a/b; charset=\"",
                                        "a/b; xcharset=utf-8;charset=utf-7"};

    EVERY(utf8, gw_media_type_is_utf8, 1);
    EVERY(other, gw_media_type_is_utf8, 0);
}

static const char *told(const char *json)
{
    static struct gw_err err;
    struct gw_event ev;

    err.msg[0] = 0;
    gw_event_init(&ev, test_arena());
    CHECK(!gw_event_json_read(&ev, gw_str_of(json), &err));
    return gw_event_check_sent(&ev, &err) ? err.msg : "";
}

#define EVENT "{\"specversion\":\"1.0\",\"id\":\"a b\",\"type\":\"a b\",\"source\":"

TEST(test_uri_what_a_sender_must_keep_to_is_told_by_its_attribute)
{
    CHECK(!*told(EVENT "\"/s\",\"dataschema\":\"#\",\"datacontenttype\":\"a/b\",\"x\":\"a b\"}"));
    CHECK(!strcmp(told(EVENT "\"a b\"}"), "source: not a URI-reference (RFC 3986): a b"));
    CHECK(strstr(told(EVENT "\"/s\",\"dataschema\":\"<x>\"}"), "dataschema: not a URI-reference"));
    CHECK(strstr(told(EVENT "\"/s\",\"datacontenttype\":\"json\",\"data_base64\":\"\"}"),
                 "datacontenttype: not a media type (RFC 2046): json"));
}
