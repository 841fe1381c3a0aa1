#include "publish/key.h"

#include "base/arena.h"
#include "event/event.h"
#include "publish/publisher.h"
#include "test.h"

TEST(test_key_choice_is_one_of_four)
{
    static const char *const none[] = {"keys", "", "Key", "attr", "attr:", "attr:A b", " id"};
    struct gw_key_choice k;

    CHECK(!gw_key_choice_parse("key", &k) && k.from == GW_KEY_RECORD);
    CHECK(!gw_key_choice_parse("id", &k) && k.from == GW_KEY_ID);
    CHECK(!gw_key_choice_parse("none", &k) && k.from == GW_KEY_NONE);
    CHECK(!gw_key_choice_parse("attr:team", &k) && k.from == GW_KEY_ATTR);
    CHECK(gw_str_is(k.attr, "team"));
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        CHECK(gw_key_choice_parse(none[i], &k) == -1);
}

static struct gw_str chosen(const struct gw_event *ev, const char *text)
{
    struct gw_message m = {.key = GW_STR("the record's"), .event_id = gw_event_text(ev, "id")};
    struct gw_key_choice k;

    CHECK(!gw_key_choice_parse(text, &k));
    gw_key_choose(&k, ev, &m);
    return m.key;
}

TEST(test_key_is_what_was_chosen)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_event ev;

    gw_event_init(&ev, mem);
    gw_event_lend(&ev, GW_STR("id"), GW_STR("e1"));
    gw_event_lend(&ev, GW_STR("team"), GW_STR("ml"));
    CHECK(gw_str_is(chosen(&ev, "key"), "the record's"));
    CHECK(gw_str_is(chosen(&ev, "id"), "e1"));
    CHECK(gw_str_is(chosen(&ev, "attr:team"), "ml"));
    CHECK(!chosen(&ev, "none").p && !chosen(&ev, "attr:other").p);
    gw_arena_free(mem);
}
