/* The hook contract for one event: verdicts, chains, rules, errors. */
#include "hook/hook.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "hook/world.h"

/* One script on the event of world_init: the call, after everything is closed. */
static struct gw_hook_call run(const char *body)
{
    struct gw_hook_call c;
    struct world w;

    world_init(&w);
    world_script(&w, "hook.lua", body);
    world_open(&w);
    c = *world_call(&w);
    c.events = NULL;
    world_close(&w);
    return c;
}

static int has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "%s\n  does not have %s\n", text, part);
    return strstr(text, part) != NULL;
}

TEST(test_hook_changes_the_event)
{
    struct world w;

    world_init(&w);
    world_script(&w, "hook.lua",
                 "local m = require 'moongate' return function(event)\n"
                 "event.team = 'ml' m.rename(event, 'subject', 'topic') event.n = event.id .. '!'"
                 "event.ok, event.count = true, -3 end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(w.call.n_events == 1 && w.call.events[0] == &w.ev);
    CHECK(!strcmp(world_attr(&w, "team"), "ml") && !strcmp(world_attr(&w, "topic"), "orders"));
    CHECK(!gw_event_get(&w.ev, GW_STR("subject")) && !strcmp(world_attr(&w, "n"), "e1!"));
    CHECK(gw_event_get(&w.ev, GW_STR("ok"))->type == GW_ATTR_BOOL);
    CHECK(gw_event_get(&w.ev, GW_STR("count"))->number == -3);
    world_close(&w);
}

TEST(test_hook_publishes_what_says_publish)
{
    static const char *const bodies[] = {"",         "return nil",      "return true",
                                         "return e", "return nil, nil", "return e, 1"};

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char src[100];

        snprintf(src, sizeof(src), "return function(e) %s end", bodies[i]);
        CHECK(run(src).verdict == GW_HOOK_PUBLISH);
    }
}

TEST(test_hook_filters_with_a_reason)
{
    struct gw_hook_call c = run("return function() return false, 'not mine' end");

    CHECK(c.verdict == GW_HOOK_FILTER && !strcmp(c.reason, "hook") && !strcmp(c.label, "not mine"));
    c = run("return function() return false end");
    CHECK(c.verdict == GW_HOOK_FILTER && !c.label[0]);
    c = run("return function() return {} end");
    CHECK(c.verdict == GW_HOOK_FILTER && !strcmp(c.reason, "hook"));
    c = run("return function() return false, ('é'):rep(40) end");
    CHECK(strlen(c.label) == 64);
    c = run("return function() return false, 'a\\xff\\nb' end"); /* a scrape would show it so */
    CHECK(!strcmp(c.label, "a? b"));
}

TEST(test_hook_retry_has_its_message)
{
    struct gw_hook_call c =
        run("local m = require 'moongate' return function() return m.retry, 'later' end");

    CHECK(c.verdict == GW_HOOK_RETRY && has(c.text, "later"));
}

TEST(test_hook_error_has_place_text_event_and_traceback)
{
    struct gw_hook_call c = run("local function f(e)\n e.Team = 1 end\n"
                                "return function(event) f(event) return 1 end");

    CHECK(c.verdict == GW_HOOK_FAILED && !strcmp(c.reason, "hook_error"));
    CHECK(has(c.text, "hook.lua:2: \"Team\" can never be an attribute"));
    CHECK(has(c.text, "(event e1)"));
    CHECK(has(c.text, "\n  hook.lua:2: in f\n  hook.lua:3: in hook") && !strstr(c.text, "[C]"));
}

TEST(test_hook_every_other_result_is_an_error_with_its_place)
{
    static const char *const bodies[][2] = {
        {"return 1", "hook.lua:1: a hook returned 1"},
        {"return 'x'", "a hook returned \"x\""},
        {"return nil, 'oops'", "hook.lua:1: oops (event e1)"},
        {"return {e, 7}", "item 2 is no event: 7"},
        {"return {a = e}", "no list of events"},
        {"return {e, a = 1}", "no list of events"},
        {"return {e, e}", "same source and id"},
        {"return false, 7", "a reason that is no string: 7"},
        {"return require 'moongate'.copy(e)", "a hook returned an event that is not its own"},
        {"error({})", "hook.lua:1: the error is a table"},
        {"error('plain', 0)", "hook.lua:1: plain"},
        {"error()", "hook.lua:1: the error is nil"},
        {"local x = e.data.y", "hook.lua:1: attempt to index a nil value (field 'data')"},
    };

    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct gw_hook_call c;
        char src[200];

        snprintf(src, sizeof(src), "return function(e) %s end", bodies[i][0]);
        c = run(src);
        CHECK(c.verdict == GW_HOOK_FAILED && !strcmp(c.reason, "hook_error"));
        CHECK(has(c.text, bodies[i][1]) && has(c.text, "event e1"));
    }
}

TEST(test_hook_splits_and_each_goes_through_the_next)
{
    struct world w;

    world_init(&w);
    world_script(
        &w, "a.lua",
        "local m = require 'moongate' return function(e) return {e, m.copy(e), m.copy(e)} end");
    world_script(&w, "b.lua",
                 "return function(e) if e.id == 'e1:1' then return false end\n"
                 "e.seen = e.id end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && w.call.n_events == 2);
    CHECK(gw_str_is(gw_event_text(w.call.events[0], "seen"), "e1"));
    CHECK(gw_str_is(gw_event_text(w.call.events[1], "seen"), "e1:2"));
    world_close(&w);
}

TEST(test_hook_equal_events_of_two_scripts_are_an_error)
{
    struct world w;

    world_init(&w);
    world_script(&w, "a.lua",
                 "local m = require 'moongate' return function(e) return {e, m.copy(e)} end");
    world_script(&w, "b.lua", "return function(e) e.id = 'same' end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED &&
          has(w.call.text, "same source and id \"same\""));
    world_close(&w);
}

TEST(test_hook_unchanged_is_the_event_behind_the_rules)
{
    struct world w;

    world_init(&w);
    w.conf.set = world_yaml(&w, "{rule: yes, n: 3}");
    world_script(&w, "a.lua", "return function(e) e.first = true end");
    world_script(&w, "b.lua", "return function(e) error('no') end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED && w.call.unchanged);
    CHECK(gw_event_get(w.call.unchanged, GW_STR("rule")));
    CHECK(!gw_event_get(w.call.unchanged, GW_STR("first")));
    world_close(&w);
}

TEST(test_hook_rules_that_fail_leave_the_event_as_it_came)
{
    struct world w;

    world_init(&w);
    w.conf.rename = world_yaml(&w, "{subject: time}");
    w.conf.remove = world_yaml(&w, "[x]");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_FAILED && !strcmp(w.call.reason, "hook_error"));
    CHECK(w.call.unchanged && gw_event_get(w.call.unchanged, GW_STR("subject")));
    world_close(&w);
}

TEST(test_hook_rules_run_in_their_order)
{
    struct world w;

    world_init(&w);
    w.conf.match = world_yaml(&w, "{subject: [x, 'ord*'], id: 'e?'}");
    w.conf.rename = world_yaml(&w, "{subject: topic}");
    w.conf.set = world_yaml(&w, "{topic: mine, level: 3, prod: true, text: '3'}");
    w.conf.remove = world_yaml(&w, "[type2, prod]");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "topic"), "mine") && !gw_event_get(&w.ev, GW_STR("prod")));
    CHECK(gw_event_get(&w.ev, GW_STR("level"))->type == GW_ATTR_INT);
    CHECK(gw_event_get(&w.ev, GW_STR("text"))->type == GW_ATTR_STRING);
    gw_event_set(&w.ev, GW_STR("id"), GW_STR("é"));
    CHECK(world_call(&w)->verdict == GW_HOOK_FILTER && !strcmp(w.call.reason, "match"));
    world_close(&w);
}

TEST(test_hook_without_scripts_and_rules_has_no_lua_state)
{
    struct world w;

    world_init(&w);
    world_open(&w);
    CHECK(gw_hooks_memory(w.hooks) == 0);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && w.call.events[0] == &w.ev);
    world_close(&w);
}

TEST(test_hook_event_types_skip_it_only)
{
    struct world w;

    world_init(&w);
    world_script(&w, "a.lua",
                 "return {event_types = {'task'}, on_event = function() return false end}");
    world_script(&w, "b.lua",
                 "return {event_types = {'other'}, on_event = function(e) e.b = true end}");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && gw_event_get(&w.ev, GW_STR("b")));
    world_close(&w);
}

TEST(test_hook_on_load_runs_once_a_load)
{
    struct world w;

    world_init(&w);
    world_script(&w, "a.lua",
                 "local n = 0 return {on_load = function() n = n + 1 end,\n"
                 "on_event = function(e) e.n = n end}");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(gw_event_get(&w.ev, GW_STR("n"))->number == 1);
    CHECK(gw_hooks_reload(w.hooks, NULL, &w.err) == 0);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(gw_event_get(&w.ev, GW_STR("n"))->number == 1);
    world_close(&w);
}

TEST(test_hook_keeping_an_event_is_an_error_not_the_next_event)
{
    struct world w;

    world_init(&w);
    world_script(&w, "hook.lua",
                 "local kept return function(e)\n"
                 "if kept then return kept.id end kept = e end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(has(world_call(&w)->text, "hook.lua:2: an event used after its hook returned"));
    world_close(&w);
}

TEST(test_hook_returning_a_kept_event_is_told_so)
{
    static const char *const bodies[] = {"return kept", "return {kept}"};
    char source[120];

    for (int i = 0; i < 2; i++) {
        struct world w;

        world_init(&w);
        snprintf(source, sizeof(source),
                 "local kept return function(e)\nif kept then %s end kept = e end", bodies[i]);
        world_script(&w, "hook.lua", source);
        world_open(&w);
        CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
        CHECK(has(world_call(&w)->text, "an event used after its hook returned"));
        world_close(&w);
    }
}

TEST(test_hook_scripts_do_not_see_each_other)
{
    struct world w;

    world_init(&w);
    world_write("shared.lua", "return {n = 0}");
    world_script(&w, "a.lua", "x = 1 local s = require 'shared' s.n = 7 return function() end");
    world_script(&w, "b.lua",
                 "local s = require 'shared' return function(e)\n"
                 "e.x = x e.n = s.n e.again = require 'shared' == s end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!gw_event_get(&w.ev, GW_STR("x")) && gw_event_get(&w.ev, GW_STR("n"))->number == 0);
    CHECK(gw_event_get(&w.ev, GW_STR("again"))->number == 1);
    world_close(&w);
}

static const char *const broken[][2] = {
    {"return function(", "./hook.lua:1:"},
    {"\nreturn 7", "./hook.lua:1: a hook script returns a function"},
    {"\nerror('at load')", "./hook.lua:2: at load"},
    {"while true do end", "./hook.lua:1: more than 1000000 instructions"},
    {"return {on_event = 1}", "on_event is a function, not 1"},
    {"return {on_event = print, event_types = {'tsak'}}",
     "no type \"tsak\" (did you mean \"task\"?)"},
    {"return {on_event = print, on_load = function()\nerror('x') end}", "./hook.lua:2: x"},
    {"require 'nothing'", "module 'nothing' not found"},
    {"local m = require 'moongate'\nm.uuid()", "./hook.lua:2: moongate.uuid: there is no event"},
    {"\x1bLua", "./hook.lua"},
};

TEST(test_hook_load_errors_name_the_file_and_line)
{
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct world w;

        world_init(&w);
        world_script(&w, "./hook.lua", broken[i][0]);
        CHECK(!gw_hooks_open(&w.conf, &w.err));
        CHECK(has(w.err.msg, broken[i][1]));
        gw_arena_free(w.mem);
    }
}

TEST(test_hook_reload_keeps_the_old_version_when_the_new_one_is_broken)
{
    struct world w;

    world_init(&w);
    world_script(&w, "hook.lua", "return function(e) e.v = 1 end");
    world_open(&w);
    world_write("hook.lua", "return function(");
    CHECK(gw_hooks_reload(w.hooks, NULL, &w.err) == -1 && has(w.err.msg, "hook.lua:1:"));
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH && gw_event_get(&w.ev, GW_STR("v")));
    world_close(&w);
}

TEST(test_hook_metrics_count_calls_errors_and_memory)
{
    struct gw_metrics *m = gw_metrics_new();
    struct gw_buf out;
    struct world w;

    world_init(&w);
    w.conf.metrics = m;
    world_script(&w, "hook.lua", "return function(e) if e.id == 'bad' then error('x') end end");
    world_open(&w);
    world_call(&w);
    gw_event_set(&w.ev, GW_STR("id"), GW_STR("bad"));
    world_call(&w);
    CHECK(gw_metrics_counter(m, GW_M_HOOK_ERRORS, "orders", "hook")->value == 1);
    CHECK(gw_metrics_counter(m, GW_M_HOOK_MEMORY_BYTES, "orders", NULL)->value ==
          gw_hooks_memory(w.hooks));
    gw_buf_init(&out, SIZE_MAX / 2, NULL);
    gw_metrics_write(m, &out);
    gw_buf_putc(&out, '\0');
    CHECK(has(out.p, "moongate_hook_seconds_count{pipeline=\"orders\",hook=\"hook\"} 2"));
    gw_buf_free(&out);
    gw_hooks_close(w.hooks);
    CHECK(gw_metrics_counter(m, GW_M_HOOK_MEMORY_BYTES, "orders", NULL)->value == 0);
    gw_metrics_free(m);
    gw_arena_free(w.mem);
}

/* One begins when the one before has ended, and no time is counted twice. */
TEST(test_hook_seconds_of_scripts_add_up_to_no_more_than_they_took)
{
    static const char busy[] = "return function(e)\n"
                               "  for i = 1, 100000 do local x = i end\n"
                               "  return {e, require('moongate').copy(e)}\n"
                               "end";
    struct gw_metrics *m = gw_metrics_new();
    uint64_t sum, first;
    int64_t began, took;
    struct world w;

    world_init(&w);
    w.conf.metrics = m;
    world_script(&w, "a.lua", busy);
    world_script(&w, "b.lua", "return function(e) end");
    world_open(&w);
    began = gw_clock_mono_ns();
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    took = gw_clock_mono_ns() - began;
    first = gw_metrics_histogram(m, GW_M_HOOK_SECONDS, "orders", "a")->sum_ns;
    sum = first + gw_metrics_histogram(m, GW_M_HOOK_SECONDS, "orders", "b")->sum_ns;
    CHECK(first > 0 && sum > first && sum <= (uint64_t)took);
    world_close(&w);
    gw_metrics_free(m);
}

TEST(test_hook_json_style_data_follows_the_request)
{
    struct world w;

    world_init(&w);
    w.style.json = 1;
    world_request(&w, GW_WORKFLOW, "{\"event\":{\"phase\":\"RUNNING\"}}");
    world_script(
        &w, "hook.lua",
        "return function(e, request) request.event.phase = 'FAILED' request.request_id = 'r' end");
    world_open(&w);
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(gw_str_is(w.ev.data, "{\"requestId\":\"r\",\"event\":{\"phase\":\"FAILED\"}}"));
    CHECK(w.ev.data_kind == GW_DATA_JSON);
    world_close(&w);
}

/* ---- FlyteAdmin's words ---- */

static void flyteadmin_world(struct world *w, const char *script)
{
    world_init(w);
    w->style.style = GW_STYLE_FLYTEADMIN;
    w->style.id_spacing = 1;
    w->conf.style = &w->style;
    world_request(w, GW_NODE,
                  "{\"event\":{\"id\":{\"nodeId\":\"n\xef\xb7\x90\"},\"phase\":\"RUNNING\","
                  "\"producerId\":\"<p>\"}}");
    world_script(w, "hook.lua", script);
    world_open(w);
}

TEST(test_hook_sees_the_bytes_of_json_as_a_view)
{
    struct world w;

    flyteadmin_world(&w, "return function(e)\n"
                         "  e.one = e.data.event.phase .. #e.data.event.id.nodeId\n"
                         "  e.data.event.producerId = 'me & you'\n"
                         "  e.two = e.data.event.producerId\n"
                         "end");
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "one"), "RUNNING4") && !strcmp(world_attr(&w, "two"), "me & you"));
    CHECK(w.ev.data_kind == GW_DATA_BYTES); /* so its forms write it as before */
    CHECK(gw_str_is(w.ev.data, "{\"event\":{\"id\":{\"nodeId\":\"n\xef\xb7\x90\"},\"producerId\":"
                               "\"me & you\",\"phase\":\"RUNNING\"}}"));
    CHECK(!gw_event_check(&w.ev, &w.err)); /* the id FlyteAdmin would have sent */
    world_close(&w);
}

TEST(test_hook_changes_a_request_and_gets_gos_json_anew)
{
    struct world w;

    flyteadmin_world(&w, "return function(e, request)\n"
                         "  request.event.producer_id = '<you>'\n"
                         "  e.one = e.data.event.producerId\n"
                         "end");
    CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
    CHECK(!strcmp(world_attr(&w, "one"), "<you>") && w.ev.data_kind == GW_DATA_BYTES);
    CHECK(gw_str_is(w.ev.data, "{\"event\":{\"id\":{\"nodeId\":\"n\xef\xb7\x90\"},\"producerId\":"
                               "\"\\u003cyou\\u003e\",\"phase\":\"RUNNING\"}}"));
    world_close(&w);
}

TEST(test_hook_sees_bytes_that_are_no_json_as_bytes)
{
    static const char *const types[] = {"application/json", "application/json",
                                        "application/octet-stream", NULL};
    static const char *const datas[] = {"{\"a\":1}", "{\"a\":", "{\"a\":1}", "{\"a\":1}"};
    static const char *const seen[] = {"table", "string", "string", "string"};

    for (int i = 0; i < 4; i++) {
        struct world w;

        world_init(&w);
        if (types[i])
            gw_event_set(&w.ev, GW_STR("datacontenttype"), gw_str_of(types[i]));
        w.ev.data_kind = GW_DATA_BYTES;
        w.ev.data = gw_str_of(datas[i]);
        world_script(&w, "hook.lua",
                     "return function(e)\n"
                     "  e.seen = type(e.data) == 'string' and 'string' or 'table'\n"
                     "end");
        world_open(&w);
        CHECK(world_call(&w)->verdict == GW_HOOK_PUBLISH);
        CHECK(!strcmp(world_attr(&w, "seen"), seen[i]));
        world_close(&w);
    }
}
