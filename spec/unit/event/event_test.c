#include "event/event.h"

#include "base/arena.h"
#include "base/err.h"
#include "test.h"
#include "test_arena.h"

TEST(test_event_keeps_the_place_of_an_attribute)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev;
    char name[] = "one", text[] = "1";

    gw_event_init(&ev, mem);
    gw_event_set(&ev, gw_str_of(name), gw_str_of(text));
    gw_event_set_int(&ev, GW_STR("two"), -2);
    gw_event_set_bool(&ev, GW_STR("three"), 7);
    name[0] = text[0] = 'x';
    gw_event_set(&ev, GW_STR("one"), GW_STR("again"));
    CHECK(gw_str_is(ev.attrs->name, "one") && gw_str_is(ev.attrs->text, "again"));
    CHECK(gw_str_is(ev.attrs->next->text, "-2") && ev.attrs->next->number == -2);
    CHECK(gw_str_is(gw_event_text(&ev, "three"), "true"));
    CHECK(gw_event_get(&ev, GW_STR("three"))->number == 1);
    gw_event_set(&ev, GW_STR("two"), GW_STR(""));
    CHECK(gw_event_get(&ev, GW_STR("two"))->type == GW_ATTR_STRING);
    gw_event_remove(&ev, GW_STR("one"));
    gw_event_remove(&ev, GW_STR("nobody"));
    CHECK(gw_str_is(ev.attrs->name, "two") && !gw_event_text(&ev, "one").p);
}

TEST(test_event_copy_is_independent)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev, *copy;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("a"), GW_STR("1"));
    gw_event_set(&ev, GW_STR("b"), GW_STR("2"));
    ev.data_kind = GW_DATA_TEXT;
    ev.data = GW_STR("d");
    copy = gw_event_copy(&ev, mem);
    gw_event_set(copy, GW_STR("a"), GW_STR("x"));
    gw_event_remove(copy, GW_STR("b"));
    gw_event_set(copy, GW_STR("c"), GW_STR("3"));
    CHECK(gw_str_is(gw_event_text(&ev, "a"), "1") && gw_str_is(gw_event_text(&ev, "b"), "2"));
    CHECK(!gw_event_text(&ev, "c").p && gw_str_is(copy->data, "d"));
}

TEST(test_event_names_and_texts_follow_the_specification)
{
    CHECK(gw_attr_name_ok(GW_STR("a")) && gw_attr_name_ok(GW_STR("0abcdefghijklmnopqrstuvwxyz9")));
    CHECK(!gw_attr_name_ok(GW_STR("")) && !gw_attr_name_ok(GW_STR("data")));
    CHECK(!gw_attr_name_ok(GW_STR("A")) && !gw_attr_name_ok(GW_STR("a_b")));
    CHECK(!gw_attr_name_ok(GW_STR("a-b")) && !gw_attr_name_ok(GW_STR("\xc3\xa4")));
    CHECK(!gw_attr_text_problem(GW_STR("")) &&
          !gw_attr_text_problem(GW_STR("a ~\xc2\xa0\xef\xbf\xbd")));
    CHECK(gw_attr_text_problem(GW_STR("\x1f")) && gw_attr_text_problem(GW_STR("a\x7f")));
    CHECK(gw_attr_text_problem((struct gw_str){"a\0b", 3}));
    CHECK(gw_attr_text_problem(GW_STR("\xc2\x80")) && gw_attr_text_problem(GW_STR("\xc2\x9f")));
    CHECK(gw_attr_text_problem(GW_STR("\xef\xb7\x90")) &&
          gw_attr_text_problem(GW_STR("\xef\xbf\xbf")));
    CHECK(gw_attr_text_problem(GW_STR("\xc3")) && gw_attr_text_problem(GW_STR("\xed\xa0\x80")));
}

/* Text is looked at eight bytes at a time: each byte counts, wherever it stands. */
TEST(test_attr_text_is_checked_to_the_last_byte)
{
    char text[20];

    for (size_t len = 1; len <= sizeof(text); len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, at % 2 ? ' ' : '~', len);
                text[at] = (char)c;
                CHECK(!gw_attr_text_problem((struct gw_str){text, len}) == (c >= 0x20 && c < 0x7f));
            }
}

/* What was found legal is not looked at again, until it is set again. */
TEST(test_event_is_checked_again_when_it_is_set_again)
{
    struct gw_arena *mem = test_arena();
    struct gw_event ev, *copy;
    struct gw_err err;

    gw_event_init(&ev, mem);
    gw_event_set(&ev, GW_STR("id"), GW_STR("1"));
    gw_event_set(&ev, GW_STR("source"), GW_STR("/s"));
    gw_event_set(&ev, GW_STR("type"), GW_STR("t"));
    gw_event_set(&ev, GW_STR("time"), GW_STR("2026-01-02T03:04:05Z"));
    CHECK(!gw_event_check(&ev, &err));
    copy = gw_event_copy(&ev, mem);
    gw_event_set(copy, GW_STR("time"), GW_STR("yesterday"));
    CHECK(gw_event_check(copy, &err) && strstr(err.msg, "time: not an RFC 3339 time"));
    CHECK(!gw_event_check(&ev, &err));
    gw_event_lend(&ev, GW_STR("type"), GW_STR(""));
    CHECK(gw_event_check(&ev, &err) && strstr(err.msg, "type: empty"));
    gw_event_lend(&ev, GW_STR("type"), GW_STR("t"));
    gw_event_set_int(&ev, GW_STR("source"), 1);
    CHECK(gw_event_check(&ev, &err) && strstr(err.msg, "source: not a string"));
    gw_event_remove(&ev, GW_STR("source"));
    CHECK(gw_event_check(&ev, &err) && strstr(err.msg, "source: missing"));
}

static int is_json(const char *type)
{
    struct gw_event ev;

    gw_event_init(&ev, test_arena());
    if (type)
        gw_event_set(&ev, GW_STR("datacontenttype"), gw_str_of(type));
    return gw_event_is_json(&ev);
}

TEST(test_event_is_json_by_its_subtype)
{
    CHECK(is_json(NULL) && is_json("application/json") && is_json("text/JSON ; charset=utf-8"));
    CHECK(is_json("application/problem+json") && is_json("application/x+Json;a=\"b/c\""));
    CHECK(!is_json("application/jsonx") && !is_json("application/xjson") && !is_json("json"));
    CHECK(!is_json("text/plain;a=/json") && !is_json("") && !is_json("application/"));
    CHECK(!is_json("application/protobuf"));
}
