#include "world.h"

#include "base/buf.h"

static void json(struct world *w, const char *text)
{
    w->ev.data = gw_str_of(text);
    w->ev.data_kind = GW_DATA_JSON;
}

TEST(test_view_edits_leave_what_came_and_what_is_a_dead_letter_alone)
{
    static const char came[] = "{\"a\" : 1}";
    struct world w;

    world_init(&w);
    world_script(&w, "one.lua", "return function(e) e.data.a = 2 e.data.b = 3 end");
    world_script(&w, "two.lua", "return function(e) e.data.a = 4 e.data.a = 5 error('no') end");
    world_open(&w);
    json(&w, came);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    CHECK(gw_str_is(w.call.unchanged->data, "{\"a\" : 1}") && !strcmp(came, "{\"a\" : 1}"));
    CHECK(gw_str_is(w.ev.data, "{\"a\" : 5,\"b\":3}"));
    world_close(&w);
}

/* The text of one event is another's until one of them changes it, over scripts, too. */
TEST(test_view_events_of_one_text_part_when_one_is_changed)
{
    struct world w;

    world_init(&w);
    world_script(&w, "one.lua",
                 "local m = require 'moongate' return function(e) e.data.a = 1\n"
                 "return {e, m.copy(e)} end");
    world_script(&w, "two.lua", "return function(e) e.data.id = e.id e.data.a = 22 end");
    world_open(&w);
    json(&w, "{}");
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && w.call.n_events == 2);
    CHECK(gw_str_is(w.call.events[0]->data, "{\"a\":22,\"id\":\"e1\"}"));
    CHECK(gw_str_is(w.call.events[1]->data, "{\"a\":22,\"id\":\"e1:1\"}"));
    world_close(&w);
}

TEST(test_view_kept_over_calls_raises)
{
    struct world w;

    world_init(&w);
    world_script(&w, "keep.lua",
                 "local kept\nreturn function(e) if kept then return kept.a end kept = e.data end");
    world_open(&w);
    json(&w, "{\"a\":1}");
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED);
    CHECK(strstr(w.call.text, "keep.lua:2: a part of event.data used after its hook returned"));
    world_close(&w);
}

/* A script that reads two members of much data and one that reads it all. */
TEST(test_view_reading_two_members_needs_few_instructions)
{
    struct gw_buf text;
    struct world w;

    world_init(&w);
    w.conf.limits.instructions = 25000;
    world_script(&w, "two.lua",
                 "return function(e) assert(e.data.first == 1 and e.data.last == 2) end");
    world_open(&w);
    gw_buf_init(&text, 1 << 20, w.mem);
    gw_buf_puts(&text, "{\"first\":1,\"list\":[0");
    while (text.len < 100 << 10)
        gw_buf_puts(&text, ",{\"name\":\"of one\",\"value\":[1,2,3]}");
    gw_buf_puts(&text, "],\"last\":2}");
    w.ev.data = gw_buf_str(&text);
    w.ev.data_kind = GW_DATA_JSON;
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    world_close(&w);
}

TEST(test_view_edits_stay_within_memory)
{
    enum { LIMIT = 4 << 20 };
    struct world w;

    world_init(&w);
    w.conf.limits.memory = LIMIT;
    world_script(&w, "grow.lua",
                 "return function(e) local s = ('x'):rep(100000)\n"
                 "for i = 1, 1000 do e.data['k' .. i] = s end end");
    world_open(&w);
    json(&w, "{}");
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED && !strcmp(w.call.reason, "hook_memory"));
    CHECK(gw_arena_size(w.mem) < LIMIT + (100 << 10));
    world_close(&w);
}
